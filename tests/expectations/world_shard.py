"""Six made-up stays as shards and manifest, in which every expectation of stay_shard holds."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medpatch.contract.tensor import EHR_CHANNELS, EHR_TYPE, EHR_VALUE_COLUMNS, MANIFEST_SCHEMA, STAY_SCHEMA, shard_name
from medpatch.validate.source import read_channels

from .plant import Plant, put
from .world import Tables

STEPS = 3
SIDE = 4
SPLITS = ("train", "train", "train", "val", "test", "test")
WIDTHS = [len(c["answers"]) if c["is_text"] else 1 for c in read_channels().iter_rows(named=True)]
FIRST_COLUMN = np.cumsum([0, *WIDTHS[:-1]])
DIASTOLIC = 1
"""A numeric channel."""
COLUMN_OF_DIASTOLIC = int(FIRST_COLUMN[DIASTOLIC])


def tables() -> Tables:
    """`listed` is the manifest, `record` the shards' content with the shard's name as `shard`.

    Every stay has a grid of 3 steps in which each channel is measured at the first one alone; all but the
    last have an image of 4 by 4 pixels and a report of 5 tokens in 2 chunks.
    """
    records, listed = [], []
    for i, split in enumerate(SPLITS):
        is_full = i < len(SPLITS) - 1
        where = {"stay_id": 300 + i, "subject_id": 100 + i, "shard": shard_name(split, 0)}
        records.append(
            where
            | {
                "label": [i % 2],
                "ehr": np.tile(_step(), STEPS).tobytes(),
                "ehr_observed": b"\1" * EHR_CHANNELS + b"\0" * EHR_CHANNELS * (STEPS - 1),
                "cxr": bytes(SIDE * SIDE) if is_full else None,
                "cxr_size_px": SIDE if is_full else None,
                "rr": [[2, 7, 3], [2, 3]] if is_full else None,
                "dn": None,
            }
        )
        listed.append(
            where
            | {
                "split": split,
                "row": SPLITS[:i].count(split),
                "window_hours": float(STEPS),
                "has_ehr": True,
                "has_cxr": is_full,
                "has_rr": is_full,
                "has_dn": False,
                "ehr_steps": STEPS,
                "ehr_observed_share": 1 / STEPS,
                "cxr_size_px": SIDE if is_full else 0,
                "rr_tokens": 5 if is_full else 0,
                "dn_tokens": 0,
                "label_count": 1,
                "label_sum": i % 2,
            }
        )
    stay = pl.from_arrow(pa.Table.from_pylist(records, schema=_with_shard()))
    return {"record": stay, "listed": pl.from_arrow(pa.Table.from_pylist(listed, schema=MANIFEST_SCHEMA))}


def write_shards(record: pl.DataFrame, folder: Path) -> Path:
    """The records as one Parquet file per shard."""
    table = pa.Table.from_pylist(record.to_dicts(), schema=_with_shard())
    for name in set(table["shard"].to_pylist()):
        rows = table.filter(pc.equal(table["shard"], name))
        pq.write_table(rows.select(STAY_SCHEMA.names).cast(STAY_SCHEMA), folder / name)
    return folder


def cell(step: int, column: int, value: float) -> Plant:
    """Another value in one cell of the first stay's grid."""

    def changed(row: dict) -> bytes:
        grid = np.frombuffer(row["ehr"], dtype=EHR_TYPE).reshape(STEPS, -1).copy()
        grid[step, column] = value
        return grid.tobytes()

    return put("record", ehr=changed)


def _step() -> np.ndarray:
    """One step: first answer of each categorical channel, 0.5 for each numeric one."""
    step = np.zeros(EHR_VALUE_COLUMNS, dtype=EHR_TYPE)
    for first, width in zip(FIRST_COLUMN, WIDTHS, strict=True):
        step[first] = 1.0 if width > 1 else 0.5
    return step


def _with_shard() -> pa.Schema:
    return STAY_SCHEMA.append(pa.field("shard", pa.string()))
