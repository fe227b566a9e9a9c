"""Shards of each split, cut as the stays come in."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.align.reuse import COPIED, key_column
from medpatch.contract.tensor import MADE_FROM, MANIFEST, MANIFEST_SCHEMA, shard_name


class ShardWriter:
    """Collects rows per split and writes a shard whenever one is full.

    At most one unfinished shard per split is in memory.
    """

    def __init__(self, folder: Path, shard_stays: int) -> None:
        """Write into `folder`, `shard_stays` rows per shard."""
        self.folder = folder
        self.shard_stays = shard_stays
        self.waiting: dict[str, list[pa.Table]] = {}
        self.shard_count: dict[str, int] = {}
        self.manifest: list[pl.DataFrame] = []
        self.row_count: dict[str, int] = {}

    @property
    def stay_count(self) -> int:
        """Rows taken in so far."""
        return sum(self.row_count.values())

    def add(self, table: pa.Table, manifest: pl.DataFrame) -> None:
        """Take in rows of any splits; `manifest` has one row per row of `table`, in the same order."""
        for split in manifest["split"].unique().sort():
            is_split = manifest["split"] == split
            rows = manifest.filter(is_split)
            first = self.row_count.get(split, 0)
            number = pl.int_range(first, first + rows.height, eager=True)
            shard = [shard_name(split, int(n)) for n in number // self.shard_stays]
            self.manifest.append(rows.with_columns(pl.Series("shard", shard), (number % self.shard_stays).alias("row")))
            self.row_count[split] = first + rows.height
            self.waiting.setdefault(split, []).append(table.filter(is_split.to_arrow()))
            while sum(part.num_rows for part in self.waiting[split]) >= self.shard_stays:
                self._write(split)

    def finish(self) -> pl.DataFrame:
        """Write what is left and the manifest; the manifest, ordered by split, shard and row."""
        for split, parts in self.waiting.items():
            if any(part.num_rows for part in parts):
                self._write(split)
        rows = pl.concat(self.manifest).sort("shard", "row")
        keys = [name for name in map(key_column, COPIED) if name in rows.columns]
        rows.select("shard", "row", *keys).write_ipc(self.folder / MADE_FROM)
        manifest = rows.select(MANIFEST_SCHEMA.names)
        pq.write_table(manifest.to_arrow().cast(MANIFEST_SCHEMA), self.folder / MANIFEST, compression="zstd")
        return manifest

    def _write(self, split: str) -> None:
        rows = pa.concat_tables(self.waiting[split])
        number = self.shard_count.get(split, 0)
        shard = rows.slice(0, self.shard_stays)
        file = self.folder / shard_name(split, number)
        # plain pages under zstd: half the time of dictionary pages and smaller, for imputed grids
        pq.write_table(shard, file, compression="zstd", use_dictionary=False, write_statistics=False)
        self.shard_count[split] = number + 1
        self.waiting[split] = [rows.slice(self.shard_stays)]
