"""The modalities of some stays joined: one row of tensors each, and one flat manifest row each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from medpatch.align.channel import ChannelLayout
from medpatch.align.ehr import EhrGrid
from medpatch.align.note import NoteChunks
from medpatch.align.reuse import key_column
from medpatch.config.error import ContractError
from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_CHANNELS, EHR_TYPE, EHR_VALUE_COLUMNS, STAY_SCHEMA


@dataclass(frozen=True)
class StayColumns:
    """n stays as columns, the form of n StayRecords that is made and written at once.

    Attributes:
        index: rows of stay_index, ascending stay_id.
        label: (n, K) int8.
        grid: bins of the EHR, or None where the run has no EHR.
        ehr: (R, 59) float32, scaled, rows as in `grid`; None without EHR.
        cxr: per stay (H, H) uint8 or None.
        notes: chunks of rr and dn, None where the run has none.
        key: per modality and stay, what its image or notes were made from, or None.
    """

    index: pl.DataFrame
    label: np.ndarray
    grid: EhrGrid | None
    ehr: np.ndarray | None
    cxr: Sequence[np.ndarray | None]
    notes: Mapping[Modality, NoteChunks | None]
    key: Mapping[Modality, Sequence[bytes | None]]


def stay_table(stays: StayColumns) -> pa.Table:
    """One row per stay in STAY_SCHEMA; what is absent is null, never zeros."""
    count, label_count = stays.label.shape
    label_offset = np.arange(0, (count + 1) * label_count, label_count, dtype=np.int32)
    label = pa.ListArray.from_arrays(_arrow(label_offset), _arrow(stays.label.ravel()))
    columns = {
        "stay_id": stays.index["stay_id"].to_arrow(),
        "subject_id": stays.index["subject_id"].to_arrow(),
        "label": label,
        **_ehr_columns(stays),
        "cxr": _image_column(stays.cxr),
        "cxr_size_px": pl.Series([None if i is None else len(i) for i in stays.cxr], dtype=pl.Int32).to_arrow(),
        **{str(m): _note_column(chunks, count) for m, chunks in stays.notes.items()},
    }
    return pa.table([columns[name].cast(STAY_SCHEMA.field(name).type) for name in STAY_SCHEMA.names], STAY_SCHEMA)


def manifest_rows(stays: StayColumns, layout: ChannelLayout) -> pl.DataFrame:
    """MANIFEST_SCHEMA and the keys, without `shard` and `row`, which the writer of the shards knows."""
    images = stays.cxr
    return stays.index.select("stay_id", "subject_id", "split", "window_hours").with_columns(
        *_ehr_statistics(stays, layout),
        pl.Series("has_cxr", [image is not None for image in images], pl.Boolean),
        pl.Series("cxr_size_px", [0 if image is None else len(image) for image in images], pl.Int64),
        pl.Series("cxr_mean", [None if image is None else image.mean() for image in images], pl.Float64),
        *(
            column
            for m, chunks in stays.notes.items()
            for column in _note_statistics(str(m), chunks, count=len(images))
        ),
        pl.Series("label_count", np.full(len(stays.label), stays.label.shape[1], dtype=np.int64)),
        pl.Series("label_sum", stays.label.sum(axis=1, dtype=np.int64)),
        *(pl.Series(key_column(m), keys, pl.Binary) for m, keys in stays.key.items()),
    )


def _ehr_columns(stays: StayColumns) -> dict[str, pa.Array]:
    if stays.grid is None or stays.ehr is None:
        return {name: pa.nulls(len(stays.label), pa.binary()) for name in ("ehr", "ehr_observed")}
    return {
        "ehr": _bytes_column(stays.grid.offset, stays.ehr.astype(EHR_TYPE, copy=False)),
        "ehr_observed": _bytes_column(stays.grid.offset, stays.grid.observed),
    }


def _bytes_column(offset: np.ndarray, value: np.ndarray) -> pa.BinaryArray:
    """Rows offset[i]:offset[i + 1] of a matrix as the bytes of row i; null where there is none."""
    width = value.shape[1] * value.itemsize
    if offset[-1] * width > np.iinfo(np.int32).max:
        raise ContractError(
            f"{len(offset) - 1} stays have {offset[-1]} time steps, more than one column of bytes holds; "
            "look at stay_index.window_hours"
        )
    is_valid = _arrow(np.diff(offset) > 0).buffers()[1]
    start = pa.py_buffer((offset * width).astype(np.int32))
    return pa.Array.from_buffers(
        pa.binary(), len(offset) - 1, [is_valid, start, pa.py_buffer(np.ascontiguousarray(value))]
    )


def _note_column(notes: NoteChunks | None, count: int) -> pa.Array:
    return pa.nulls(count, STAY_SCHEMA.field("rr").type) if notes is None else notes.column


def _arrow(values: np.ndarray) -> pa.Array:
    """By way of polars: pyarrow would look for pandas first, which takes half a second where nothing else needs it."""
    return pl.Series(values).to_arrow()


def _image_column(images: Sequence[np.ndarray | None]) -> pa.BinaryArray:
    """The pixels of each image as bytes."""
    offset = np.cumsum([0, *(0 if image is None else image.size for image in images)])
    present = [image.ravel() for image in images if image is not None]
    pixels = np.concatenate(present) if present else np.zeros(0, dtype=np.uint8)
    return _bytes_column(offset, pixels[:, None])


def _ehr_statistics(stays: StayColumns, layout: ChannelLayout) -> list[pl.Series]:
    names = ("ehr_min", "ehr_max", "ehr_observed_share", "ehr_one_hot_sum_min", "ehr_one_hot_sum_max")
    statistics = {name: np.full(len(stays.label), np.nan) for name in names}
    steps = np.zeros(len(stays.label), dtype=np.int64)
    if stays.grid is not None and stays.ehr is not None:
        steps = np.diff(stays.grid.offset)
        present = np.flatnonzero(steps)
        if len(present):
            first = stays.grid.offset[present]
            one_hot = np.ones(EHR_VALUE_COLUMNS, dtype=np.float32)
            one_hot[layout.numeric_column] = 0.0
            lit = stays.ehr @ one_hot  # (R,) how many one-hot columns are lit
            # over flat arrays: numpy's reduceat along an axis is a hundred times slower
            cells, values = first * EHR_CHANNELS, first * EHR_VALUE_COLUMNS
            count = np.add.reduceat(stays.grid.observed.view(np.uint8).ravel(), cells, dtype=np.int64)
            found = (
                np.minimum.reduceat(stays.ehr.ravel(), values),
                np.maximum.reduceat(stays.ehr.ravel(), values),
                count / (steps[present] * EHR_CHANNELS),
                np.minimum.reduceat(lit, first),
                np.maximum.reduceat(lit, first),
            )
            for name, numbers in zip(names, found, strict=True):
                statistics[name][present] = numbers
    return [
        pl.Series("has_ehr", steps > 0),
        pl.Series("ehr_steps", steps),
        *(pl.Series(name, values).fill_nan(None) for name, values in statistics.items()),
    ]


def _note_statistics(name: str, notes: NoteChunks | None, *, count: int) -> list[pl.Series]:
    tokens = np.zeros(count, dtype=np.int64)
    if notes is not None:
        tokens = np.diff(notes.chunk_offset[notes.stay_offset]).astype(np.int64)
    return [pl.Series(f"has_{name}", tokens > 0), pl.Series(f"{name}_tokens", tokens)]
