"""One Parquet shard as flat numpy arrays, decoded once, from which any stay is a view."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.error import ContractError
from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_CHANNELS, EHR_TYPE, EHR_VALUE_COLUMNS, STAY_SCHEMA, StayRecord

COLUMN = {
    Modality.EHR: ("ehr", "ehr_observed"),
    Modality.CXR: ("cxr", "cxr_size_px"),
    Modality.RR: ("rr",),
    Modality.DN: ("dn",),
}


@dataclass(frozen=True)
class Ragged:
    """Rows of differing length in one flat array.

    Attributes:
        value: the flat array.
        offset: (n + 1,) Python ints, faster to slice with than numpy's; row i is offset[i]:offset[i + 1].
        is_present: (n,) False where the row is null.
    """

    value: np.ndarray
    offset: list[int]
    is_present: list[bool]

    def row(self, i: int) -> np.ndarray | None:
        """A view of row i, or None."""
        return self.value[self.offset[i] : self.offset[i + 1]] if self.is_present[i] else None


@dataclass(frozen=True)
class Shard:
    """The stays of one file; what was not asked for is None.

    Attributes:
        stay_id: (n,) int64.
        subject_id: (n,) int64.
        label: (n, K) int8.
        ehr: rows (T, 59) float32.
        ehr_observed: rows (T, 17) bool.
        cxr: rows (H * H,) uint8.
        note: per text modality, rows of chunks: `chunk` numbers the flat chunks of `input_ids`.
    """

    stay_id: np.ndarray
    subject_id: np.ndarray
    label: np.ndarray
    ehr: Ragged | None
    ehr_observed: Ragged | None
    cxr: Ragged | None
    note: dict[Modality, "Note"]

    def record(self, i: int) -> StayRecord:
        """Stay i as views; do not write into them."""
        pixels = None if self.cxr is None else self.cxr.row(i)
        notes = {m: note.row(i) for m, note in self.note.items()}
        return StayRecord(
            stay_id=int(self.stay_id[i]),
            subject_id=int(self.subject_id[i]),
            label=self.label[i],
            ehr=None if self.ehr is None else self.ehr.row(i),
            ehr_observed=None if self.ehr_observed is None else self.ehr_observed.row(i),
            cxr=None if pixels is None else pixels.reshape(_side(len(pixels)), -1),
            rr=notes.get(Modality.RR),
            dn=notes.get(Modality.DN),
        )


@dataclass(frozen=True)
class Note:
    """Chunks of input ids.

    Attributes:
        chunk: rows are stays, values number the chunks.
        input_ids: rows are chunks.
    """

    chunk: Ragged
    input_ids: Ragged

    def row(self, i: int) -> list[np.ndarray] | None:
        """The chunks of stay i as views, or None."""
        if not self.chunk.is_present[i]:
            return None
        offset, ids = self.input_ids.offset, self.input_ids.value
        return [ids[offset[q] : offset[q + 1]] for q in range(self.chunk.offset[i], self.chunk.offset[i + 1])]


def read_shard(file: Path, modalities: Sequence[Modality]) -> Shard:
    """Decode the columns of these modalities.

    Raises:
        ContractError: the file is absent or not as STAY_SCHEMA says.
    """
    wanted = ["stay_id", "subject_id", "label", *(name for m in modalities for name in COLUMN[m])]
    try:
        table = pq.read_table(file, columns=wanted, memory_map=True, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise ContractError(f"{file}: not a readable shard; run align again") from error
    for name in wanted:
        if name not in table.column_names or table.schema.field(name).type != STAY_SCHEMA.field(name).type:
            raise ContractError(f"{file}: column {name!r} is not as contract/tensor.py says; run align again")
    column = {name: _whole(table[name], file) for name in wanted}
    has_ehr = Modality.EHR in modalities
    return Shard(
        stay_id=column["stay_id"].to_numpy(),
        subject_id=column["subject_id"].to_numpy(),
        label=column["label"].flatten().to_numpy().reshape(table.num_rows, -1),
        ehr=_matrix(column["ehr"], EHR_VALUE_COLUMNS, kind=np.dtype(EHR_TYPE)) if has_ehr else None,
        ehr_observed=_matrix(column["ehr_observed"], EHR_CHANNELS, kind=np.dtype(bool)) if has_ehr else None,
        cxr=_bytes(column["cxr"]) if Modality.CXR in modalities else None,
        note={m: _note(column[str(m)]) for m in (Modality.RR, Modality.DN) if m in modalities},
    )


def _whole(column: pa.ChunkedArray, file: Path) -> pa.Array:
    """One array that starts at offset 0, as the offset arithmetic below needs."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray) and array.num_chunks == 1:
        array = array.chunk(0)
    if isinstance(array, pa.ChunkedArray) or array.offset:
        raise ContractError(f"{file}: too large to decode as one piece; lower modality.shard_stays")
    return array


def _matrix(column: pa.BinaryArray, width: int, *, kind: np.dtype) -> Ragged:
    flat = _bytes(column)
    steps = [offset // (width * kind.itemsize) for offset in flat.offset]
    return Ragged(flat.value.view(kind).reshape(-1, width), steps, flat.is_present)


def _bytes(column: pa.BinaryArray) -> Ragged:
    _, offset, value = column.buffers()
    offset = np.frombuffer(offset, dtype=np.int32, count=len(column) + 1)
    content = np.zeros(0, dtype=np.uint8) if value is None else np.frombuffer(value, dtype=np.uint8, count=offset[-1])
    return Ragged(content, offset.tolist(), column.is_valid().to_pylist())


def _note(column: pa.ListArray) -> Note:
    chunks = column.values
    numbers = np.arange(len(chunks))
    return Note(
        chunk=Ragged(numbers, column.offsets.to_pylist(), column.is_valid().to_pylist()),
        input_ids=Ragged(chunks.values.to_numpy(), chunks.offsets.to_pylist(), [True] * len(chunks)),
    )


def _side(pixel_count: int) -> int:
    return round(pixel_count**0.5)
