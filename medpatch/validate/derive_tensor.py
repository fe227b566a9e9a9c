"""The shards' manifest, plus what ties its rows to each other and to the files on disk."""

from pathlib import Path

import polars as pl

from medpatch.config.name import Modality
from medpatch.validate.derive import splits_seen

SHARD_SPLIT = r"^([a-z]+)-\d{5}\.parquet$"
"""The split at the front of a shard's file name (contract/tensor.py, shard_name)."""
STEP_EDGE = 1e-5
"""A window less than this above a whole number of steps may end with or without another step."""
ROUNDING = 1e-7
"""A window less than this above a whole number of steps is that number."""


def manifest_frame(manifest: pl.LazyFrame, tensor_dir: Path, *, timestep_hours: float) -> pl.DataFrame:
    """The manifest, one row per stay, with derived columns.

    Args:
        manifest: as contract/tensor.py MANIFEST_SCHEMA.
        tensor_dir: folder of the shards, to see which exist.
        timestep_hours: width of one time step, hours.

    Returns:
        plus splits_of_subject, splits_seen, shard_split (from the file name), shard_stays (manifest rows of that
        shard), is_shard_present, steps_difference (0 where ehr_steps covers the window exactly),
        presence_unknown (modalities whose presence is null), modalities_present.
    """
    present = sorted(file.name for file in tensor_dir.glob("*.parquet"))
    steps = pl.col("window_hours") / timestep_hours
    # a window of no length, measured at intime alone, has one step too
    fewest, most = ((steps - slack).ceil().clip(lower_bound=1) for slack in (STEP_EDGE, ROUNDING))
    too_few = (fewest - pl.col("ehr_steps")).clip(lower_bound=0)
    too_many = (pl.col("ehr_steps") - most).clip(lower_bound=0)
    presence = [pl.col(f"has_{modality}") for modality in Modality]
    return manifest.with_columns(
        pl.col("split").n_unique().over("subject_id").alias("splits_of_subject"),
        splits_seen().alias("splits_seen"),
        pl.col("shard").str.extract(SHARD_SPLIT).alias("shard_split"),
        pl.len().over("shard").cast(pl.Int64).alias("shard_stays"),
        pl.col("shard").is_in(present).alias("is_shard_present"),
        (too_few + too_many).alias("steps_difference"),
        pl.sum_horizontal(*(flag.is_null() for flag in presence)).cast(pl.Int64).alias("presence_unknown"),
        pl.sum_horizontal(*presence).cast(pl.Int64).alias("modalities_present"),
    ).collect()
