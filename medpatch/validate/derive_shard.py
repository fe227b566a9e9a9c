"""Some stays read back from the shards, cell by cell: does the content say what the manifest says?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.error import ContractError
from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_TYPE, STAY_SCHEMA
from medpatch.validate.derive_sample import channels_not_normal, chunks_without_edges, matrix

SAMPLE_STAYS = 64
"""Stays read from each sampled shard: its first ones, of the first and last shard of each split."""
COUNTED: dict[str, Any] = {
    "stay_id": pl.Int64,
    "is_as_listed": pl.Boolean,
    "presence_differs": pl.Int64,
    "label_length_difference": pl.Int64,
    "labels_not_binary": pl.Int64,
    "steps_difference": pl.Int64,
    "cells_not_finite": pl.Int64,
    "cells_not_carried": pl.Int64,
    "channels_not_normal": pl.Int64,
    "masks_not_binary": pl.Int64,
    "steps_not_one_hot": pl.Int64,
    "observed_share_difference": pl.Float64,
    "pixels_difference": pl.Int64,
    "tokens_difference": pl.Int64,
    "chunks_without_edges": pl.Int64,
}


def shard_frame(manifest: pl.LazyFrame, tensor_dir: Path, *, channels: pl.DataFrame) -> pl.DataFrame:
    """One row per sampled stay, content compared with its manifest row.

    Args:
        manifest: as contract/tensor.py MANIFEST_SCHEMA; the judged rows are looked up by shard and row.
        tensor_dir: folder of the shards.
        channels: variable, is_text, answers in column order (see source.read_channels).

    Returns:
        the columns of `COUNTED`: is_as_listed (stay and subject stand where the manifest says),
        presence_differs (modalities null in one and present in the other), label_length_difference,
        labels_not_binary, steps_difference (of values and of mask), cells_not_finite, cells_not_carried
        (not measured, yet other than the step before), channels_not_normal (not measured in the first step,
        yet other than in most stays that lack it there), masks_not_binary, steps_not_one_hot,
        observed_share_difference, pixels_difference, tokens_difference and chunks_without_edges (first or last
        id other than that of most chunks). Null where the modality is absent.

    Raises:
        ContractError: a shard is absent, unreadable, or of other columns than contract/tensor.py.
    """
    listed = manifest.sort("shard", "row").collect()
    widths = [len(answers) if is_text else 1 for is_text, answers in channels.select("is_text", "answers").rows()]
    owner = np.repeat(np.arange(len(widths)), widths)  # (59,) channel of each value column
    is_one_hot = np.array([width > 1 for width in widths])
    rows, stays = [], []
    for shard in _sampled(listed):
        entries = listed.filter(pl.col("shard") == shard).head(SAMPLE_STAYS)
        for stay, entry in zip(_first_stays(tensor_dir / shard), entries.iter_rows(named=True), strict=False):
            rows.append(_compared(stay, entry, owner=owner, is_one_hot=is_one_hot))
            stays.append(stay)
    unlike = zip(rows, channels_not_normal(stays, owner), chunks_without_edges(stays), strict=True)
    return pl.DataFrame(
        [row | {"channels_not_normal": channel, "chunks_without_edges": chunk} for row, channel, chunk in unlike],
        schema=COUNTED,
        orient="row",
    )


def _sampled(listed: pl.DataFrame) -> list[str]:
    edges = listed.group_by("split").agg(pl.col("shard").min().alias("first"), pl.col("shard").max().alias("last"))
    return sorted({*edges["first"].drop_nulls(), *edges["last"].drop_nulls()})


def _first_stays(file: Path) -> Iterator[dict[str, pa.Scalar]]:
    try:
        parquet = pq.ParquetFile(file)
        batch = next(parquet.iter_batches(batch_size=SAMPLE_STAYS, columns=STAY_SCHEMA.names), None)
    except (OSError, pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise ContractError(f"{file.name}: absent or not readable as Parquet; run align again") from error
    if batch is None:
        return
    absent = sorted(set(STAY_SCHEMA.names) - set(batch.schema.names))
    if absent:
        raise ContractError(f"{file.name}: columns {absent} are absent; look at medpatch/align/shard.py")
    for i in range(batch.num_rows):
        yield {name: batch.column(name)[i] for name in STAY_SCHEMA.names}


def _compared(
    stay: dict[str, pa.Scalar], entry: dict[str, Any], *, owner: np.ndarray, is_one_hot: np.ndarray
) -> dict[str, Any]:
    labels = stay["label"].as_py() or []
    found: dict[str, Any] = dict.fromkeys(COUNTED)
    found |= {
        "stay_id": entry["stay_id"],
        "is_as_listed": stay["stay_id"].as_py() == entry["stay_id"]
        and stay["subject_id"].as_py() == entry["subject_id"],
        "presence_differs": sum(stay[m].is_valid != entry[f"has_{m}"] for m in Modality),
        "label_length_difference": abs(len(labels) - entry["label_count"]),
        "labels_not_binary": sum(label not in (0, 1) for label in labels),
    }
    if stay["ehr"].is_valid:
        found |= _grid(stay, entry, owner=owner, is_one_hot=is_one_hot)
    if stay["cxr"].is_valid:
        side = stay["cxr_size_px"].as_py() or 0
        found["pixels_difference"] = abs(stay["cxr"].as_buffer().size - side * side) + abs(side - entry["cxr_size_px"])
    notes = [m for m in (Modality.RR, Modality.DN) if stay[m].is_valid]
    if notes:
        found["tokens_difference"] = sum(abs(len(stay[m].values.flatten()) - entry[f"{m}_tokens"]) for m in notes)
    return found


def _grid(
    stay: dict[str, pa.Scalar], entry: dict[str, Any], *, owner: np.ndarray, is_one_hot: np.ndarray
) -> dict[str, Any]:
    value = matrix(stay["ehr"], len(owner), kind=EHR_TYPE)  # (T, 59)
    mask = matrix(stay["ehr_observed"], len(is_one_hot), kind="u1")
    observed = mask != 0  # (T, 17)
    steps = [abs(len(part) - entry["ehr_steps"]) for part in (value, observed)]
    found: dict[str, Any] = {
        "steps_difference": sum(steps),
        "cells_not_finite": int((~np.isfinite(value)).sum()),
        "masks_not_binary": int((mask > 1).sum()),
    }
    if steps[0] == steps[1]:
        changed = value[1:] != value[:-1]
        found["cells_not_carried"] = int((changed & ~observed[1:, owner]).sum())
        share = observed.mean() if observed.size else 0.0
        found["observed_share_difference"] = abs(share - (entry["ehr_observed_share"] or 0.0))
    lit = np.stack([value[:, owner == c].sum(axis=1) for c in np.flatnonzero(is_one_hot)], axis=1)  # (T, 5)
    found["steps_not_one_hot"] = int((lit != 1).any(axis=1).sum())
    return found
