"""A made-up EHR warehouse of any size, for timing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from medpatch.align.channel import ChannelLayout
from medpatch.contract.table import TABLES, warehouse_file

WINDOW_HOURS = 48.0


def make_events(stays: int, layout: ChannelLayout, *, events_per_stay: int = 600) -> pl.DataFrame:
    """Rows of ehr_event ordered by stay and time, about as dense as MIMIC-IV."""
    random = np.random.default_rng(0)
    count = stays * events_per_stay
    channel = random.integers(0, len(layout.channels), count)
    hours = np.sort(random.random((stays, events_per_stay)) * WINDOW_HOURS, axis=1).ravel()
    names = pl.Series([c.name for c in layout.channels])
    answers = pl.Series([answer for c in layout.channels for answer in c.answers])
    count_of = np.array([len(c.answers) for c in layout.channels])
    first_of = np.cumsum(count_of) - count_of
    is_text = count_of[channel] > 0
    answer = first_of[channel] + random.integers(0, 1 << 30, count) % np.maximum(count_of[channel], 1)
    return pl.DataFrame(
        {
            "stay_id": np.repeat(np.arange(stays) + 30_000_000, events_per_stay),
            "hours_after_intime": hours,
            "variable": names[channel],
            "value": random.normal(80, 10, count),
            "value_text": answers[np.minimum(answer, len(answers) - 1)],
            "is_text": is_text,
        }
    ).select(
        "stay_id",
        "hours_after_intime",
        "variable",
        pl.when(~pl.col("is_text")).then("value"),
        pl.when("is_text").then("value_text"),
    )


def write_warehouse(folder: Path, events: pl.DataFrame) -> None:
    """The tables that an EHR-only mortality run reads; 70 % of the stays are train."""
    folder.mkdir(parents=True)
    stay_id = events["stay_id"].unique().sort()
    index = pl.DataFrame({"stay_id": stay_id, "subject_id": stay_id - 20_000_000}).with_columns(
        split=pl.when(stay_id % 10 < 7).then(pl.lit("train")).otherwise(pl.lit("test")),
        window_hours=pl.lit(WINDOW_HOURS),
    )
    label = pl.DataFrame({"stay_id": stay_id, "label": (stay_id % 8 == 0).cast(pl.Int8)})
    for name, frame in (
        ("stay_index", index),
        ("label_in_hospital_mortality", label),
        ("ehr_event", events),
    ):
        missing = [pl.lit(None).alias(c) for c in TABLES[name].names if c not in frame.columns]
        whole = frame.with_columns(missing).select(TABLES[name].names).to_arrow().cast(TABLES[name])
        pq.write_table(whole, folder / warehouse_file(name), row_group_size=122_880)


def write_media(folder: Path, images: Sequence[str], texts: Sequence[str]) -> None:
    """Give every stay of the folder an image, taking turns, and a report."""
    stay_id = pl.read_parquet(folder / warehouse_file("stay_index"))["stay_id"]
    path = pl.Series([images[i % len(images)] for i in range(len(stay_id))])
    study = pl.DataFrame({"stay_id": stay_id, "dicom_id": path, "image_path": path})
    report = pl.DataFrame({"stay_id": stay_id, "note_id": stay_id.cast(pl.String), "text": texts}).with_columns(
        note_order=pl.lit(0, dtype=pl.Int64)
    )
    for name, frame in (("cxr_study", study), ("radiology_report", report)):
        missing = [pl.lit(None).alias(c) for c in TABLES[name].names if c not in frame.columns]
        whole = frame.with_columns(missing).select(TABLES[name].names).to_arrow().cast(TABLES[name])
        pq.write_table(whole, folder / warehouse_file(name), row_group_size=8192)
