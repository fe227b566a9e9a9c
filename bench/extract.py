"""The whole extraction beside the least that any program must do: reading the same columns and items once.

Floor: one engine reads those columns of chartevents and labevents, keeps the rows of the mapped items, and writes
them as Parquet. Ours: all raw files to staged tables, to the mart (events, labels, index), to tensors.

Run: python bench/extract.py [ROWS OF CHARTEVENTS] [FOLDER TO KEEP THE INPUT IN]
"""

import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
import polars as pl
from measure import Cost, main_step, measure
from raw import write_raw

from medpatch.align.shard import write_shards
from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import preset
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.register import literal, register_seeds
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw
from medpatch.extract.staging import build_staging

EVENTS = ("chartevents", "labevents")


def config() -> PipelineConfig:
    """Mortality from the EHR alone."""
    full = preset("in_hospital_mortality")
    modality = full.modality.model_copy(update={"modalities": (Modality.EHR,)})
    return full.model_copy(update={"modality": modality})


def itemids(name: str) -> list[int]:
    """Mapped items of a table."""
    with duckdb.connect() as connection:
        register_seeds(connection)
        found = connection.execute("SELECT itemid FROM ehr_itemid WHERE source_table = ?", [name]).fetchall()
    return [item for (item,) in found]


def floor_duckdb(raw: str, out: str) -> int:
    """Rows that DuckDB alone writes."""
    rows = 0
    for name in EVENTS:
        file, columns = find_raw(Path(raw)).file(name), RAW_TABLES[name].columns
        header = pl.scan_csv(file, infer_schema=False).collect_schema().names()
        typed = ", ".join(f"{literal(c)}: {literal(columns.get(c, 'VARCHAR'))}" for c in header)
        query = (
            f"SELECT {', '.join(columns)} FROM read_csv({literal(file)}, header = true, auto_detect = false, "
            f"columns = {{{typed}}}) WHERE itemid IN {tuple(itemids(name))}"
        )
        target = literal(Path(out) / f"{name}.parquet")
        with duckdb.connect(config={"preserve_insertion_order": "false"}) as connection:
            copy = f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd)"
            rows += connection.execute(copy).fetchall()[0][0]
    return rows


def floor_polars(raw: str, out: str) -> int:
    """Rows that Polars alone writes."""
    kind = {"BIGINT": pl.Int64, "DOUBLE": pl.Float64}
    rows = 0
    for name in EVENTS:
        file, columns = find_raw(Path(raw)).file(name), RAW_TABLES[name].columns
        header = pl.scan_csv(file, infer_schema=False).collect_schema().names()
        schema = {c: kind.get(columns.get(c, "VARCHAR"), pl.String) for c in header}
        target = Path(out) / f"{name}.parquet"
        (
            pl.scan_csv(file, schema=schema)
            .select(list(columns))
            .filter(pl.col("itemid").is_in(itemids(name)))
            .with_columns(pl.col("charttime").str.to_datetime("%Y-%m-%d %H:%M:%S"))
            .sink_parquet(target, compression="zstd")
        )
        rows += pl.scan_parquet(target).select(pl.len()).collect().item()
    return rows


def stage(raw: str, out: str) -> int:
    """Raw files to staged tables; rows of the mapped items."""
    build_staging(find_raw(Path(raw)), Path(out) / "staging", inputs="bench")
    parts = [Path(out) / "staging" / f"stg_{name}" / "*.parquet" for name in EVENTS]
    return sum(pl.scan_parquet(p).select(pl.col("itemid").count()).collect().item() for p in parts)


def tables(raw: str, out: str) -> int:
    """Staged tables to the mart; events in the windows."""
    source, staging = find_raw(Path(raw)), Path(out) / "staging"
    report = build_warehouse(source, config(), out_dir=Path(out) / "mart", inputs="bench", staging_dir=staging)
    return report.rows["ehr_event"]


def tensors(raw: str, out: str) -> int:
    """Mart to shards; stays."""
    report = write_shards(Path(out) / "mart", None, config=config(), out_dir=Path(out) / "tensor", inputs="bench")
    return sum(report.stay_count.values())


STEPS = {f.__name__: f for f in (floor_duckdb, floor_polars, stage, tables, tensors)}


def run(raw: Path) -> dict[str, Cost]:
    """Each step in a process of its own, one after the other."""
    with tempfile.TemporaryDirectory(dir=raw.parent) as out:
        return {name: measure(__file__, name, raw, out) for name in STEPS}


def main(rows: int, folder: Path | None) -> None:
    """Print the figures."""
    raw = (folder or Path(tempfile.mkdtemp())) / f"raw-{rows}"
    if not raw.is_dir():
        write_raw(raw, rows)
    size = sum(f.stat().st_size for f in raw.rglob("*.gz")) / 2**20
    costs = run(raw)
    print(f"{rows:,} rows of chartevents, {size:,.0f} MiB of .csv.gz")
    for name, cost in costs.items():
        print(
            f"{name:14} {cost.wall:8.2f} s {cost.cpu:8.2f} s CPU {cost.peak_mib:8,.0f} MiB peak {cost.found:12,} rows"
        )
    ours = [costs[name] for name in ("stage", "tables", "tensors")]
    floors = [costs["floor_duckdb"], costs["floor_polars"]]
    print(f"ours           {sum(c.wall for c in ours):8.2f} s {sum(c.cpu for c in ours):8.2f} s CPU")
    print(f"reading alone, ours / DuckDB floor: {costs['stage'].wall / floors[0].wall:.2f}")
    print(f"ratio to the faster floor: {sum(c.wall for c in ours) / min(f.wall for f in floors):.2f}")
    print(f"ratio to the DuckDB floor: {sum(c.wall for c in ours) / floors[0].wall:.2f}")
    if folder is None:
        shutil.rmtree(raw.parent)


if __name__ == "__main__" and not main_step(STEPS):
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
