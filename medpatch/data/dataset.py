"""The stays of one split; shards are decoded when first touched and kept."""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from medpatch.config.error import ContractError
from medpatch.config.name import Modality, Split
from medpatch.contract.tensor import MANIFEST, StayRecord
from medpatch.data.shard import Shard, read_shard
from medpatch.data.spec import tensor_spec


class ShardDataset:
    """Stay i of a split as a StayRecord.

    Attributes:
        spec: facts about the folder.
        split: which stays.
        modalities: the modalities that are read, in canonical order; the others are None in every record.
        stay_id: (N,) int64.
        subject_id: (N,) int64.
        presence: (N, M) bool, columns in the order of `modalities`.
        steps: (N,) int64, EHR time steps, 0 where absent.
        shard_number: (N,) int64, which of the split's shards holds the stay; ascending.
    """

    def __init__(
        self,
        tensor_dir: Path,
        split: Split,
        *,
        modalities: Sequence[Modality] | None = None,
        required: Sequence[Modality] = (),
        resident_shards: int | None = None,
    ) -> None:
        """Open the split; no shard is read yet.

        Args:
            tensor_dir: what align wrote.
            split: which stays.
            modalities: what to read; None = all that the train split has.
            required: leave out stays that lack one of these.
            resident_shards: decoded shards kept in memory; None = all of them.

        Raises:
            ContractError: the folder is not finished, a modality was not aligned, or no stay is left.
        """
        self.spec = tensor_spec(tensor_dir)
        self.split = split
        self.modalities = tuple(
            m for m in Modality if m in (self.spec.modalities if modalities is None else modalities)
        )
        self.resident_shards = resident_shards
        self._dir = tensor_dir
        unknown = [str(m) for m in (*self.modalities, *required) if m not in self.spec.aligned]
        if unknown:
            raise ContractError(
                f"{tensor_dir}: {unknown} was not aligned, there are {[str(m) for m in self.spec.aligned]}; "
                "add it to modality.modalities and run align"
            )
        rows = _read_manifest(tensor_dir).filter(pl.col("split") == str(split))
        rows = rows.filter([pl.col(f"has_{m}") for m in required]) if required else rows
        if rows.is_empty():
            needed = f" with {', '.join(str(m) for m in required)}" if required else ""
            raise ContractError(
                f"{tensor_dir}: the {split} split has no stay{needed}; look at the split fractions and at stay_index"
            )
        self._shards = rows["shard"].unique().sort().to_list()
        self.shard_number = (
            rows["shard"]
            .replace_strict({name: k for k, name in enumerate(self._shards)}, return_dtype=pl.Int64)
            .to_numpy()
        )
        self.stay_id = rows["stay_id"].to_numpy()
        self.subject_id = rows["subject_id"].to_numpy()
        self.presence = rows.select(f"has_{m}" for m in self.modalities).to_numpy()
        self.steps = rows["ehr_steps"].to_numpy()
        self._place = list(zip(self.shard_number.tolist(), rows["row"].to_list(), strict=True))
        self._resident: OrderedDict[int, Shard] = OrderedDict()

    def __len__(self) -> int:
        """N."""
        return len(self._place)

    def __getitem__(self, i: int) -> StayRecord:
        """Stay i as views into its shard; do not write into them."""
        number, row = self._place[i]
        return self._shard(number).record(row)

    def label(self) -> np.ndarray:
        """(N, K) int8, read without decoding anything else."""
        by_shard = [read_shard(self._dir / name, ()).label for name in self._shards]
        return np.stack([by_shard[number][row] for number, row in self._place])

    def decode_ahead(self) -> None:
        """Decode all shards at once on all cores, where all of them may stay in memory; else nothing.

        A shuffled epoch touches every shard within its first batches, one after the other without this.
        """
        absent = [number for number in range(len(self._shards)) if number not in self._resident]
        if self.resident_shards is not None or not absent:
            return
        with ThreadPoolExecutor() as pool:
            read = pool.map(lambda number: read_shard(self._dir / self._shards[number], self.modalities), absent)
            self._resident.update(zip(absent, read, strict=True))

    def _shard(self, number: int) -> Shard:
        shard = self._resident.get(number)
        if shard is None:
            shard = read_shard(self._dir / self._shards[number], self.modalities)
            self._resident[number] = shard
            if self.resident_shards is not None and len(self._resident) > self.resident_shards:
                self._resident.popitem(last=False)
        elif self.resident_shards is not None:
            self._resident.move_to_end(number)
        return shard


def _read_manifest(tensor_dir: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(tensor_dir / MANIFEST).sort("shard", "row")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ContractError(f"{tensor_dir / MANIFEST}: not readable; run align again") from error
