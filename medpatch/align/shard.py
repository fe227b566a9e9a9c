"""Mart tables to Parquet shards: the whole alignment, a chunk of stays at a time."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medpatch.align.ehr import EhrGrid
from medpatch.align.fit import make_scaler, make_tokenizer, needs_scaler_fit
from medpatch.align.label import read_labels
from medpatch.align.mart import read_stay_index
from medpatch.align.part import PartJob, Spread, make_part, on_threads
from medpatch.align.report import AlignReport, summarise, write_description
from medpatch.align.reuse import open_reuse
from medpatch.align.scaler import save_scaler
from medpatch.align.source import chunks, open_source
from medpatch.align.writer import ShardWriter
from medpatch.config.code import TENSOR_CODE
from medpatch.config.name import Split
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.artifact import writing
from medpatch.contract.tensor import MADE_FROM, SCALER, TOKENIZER_DIR

logger = logging.getLogger(__name__)

KEPT_BYTES = 512 * 2**20
"""Memory for bins that fitting the scaler has made, about 70,000 stays of 48 hours."""


def write_shards(
    warehouse_dir: Path,
    cxr_dir: Path | None,
    *,
    config: PipelineConfig,
    out_dir: Path,
    inputs: str,
    earlier: Sequence[Path] = (),
    spread: Spread = on_threads,
    progress: Callable[[int, int], None] | None = None,
) -> AlignReport:
    """Write the tensor folder of a run: shards per split, manifest, scaler, tokenizer, spec and report.

    An image that is absent or not readable is counted and named; its stay goes on without it.

    Args:
        warehouse_dir: the mart tables as Parquet.
        cxr_dir: the MIMIC-CXR-JPG folder; needed if the run has radiographs.
        config: the run.
        out_dir: the folder to make; absent or whole at any time.
        inputs: digest of what the tensors are made from.
        earlier: tensor folders; images and notes that they made from the same sources are copied from there.
        spread: applies a function to the chunks: on the cores here, or on a cluster, with the same outcome.
        progress: told (stays done, stays to do); fitting a scaler counts the train stays once more.

    Raises:
        ContractError: a mart table is absent or breaks its contract.
        ConfigError: radiographs without a folder, or an unusable tokenizer.
    """
    source = open_source(warehouse_dir, cxr_dir, config=config)
    index = read_stay_index(warehouse_dir)
    label = read_labels(warehouse_dir, config.cohort.task, stay_id=index["stay_id"].to_numpy())
    is_train = (index["split"] == str(Split.TRAIN)).to_numpy()
    train = index.filter(is_train)
    advance = _counter(progress, total=index.height + (train.height if needs_scaler_fit(source) else 0))

    with writing(out_dir, inputs=inputs, packages=TENSOR_CODE, notes=(MADE_FROM,)) as folder:
        # bins stay in this process: a worker elsewhere makes its own
        fitted = make_scaler(source, index, kept_bytes=KEPT_BYTES if spread is on_threads else 0, advance=advance)
        save_scaler(fitted.scaler, folder / SCALER)
        tokenizer = make_tokenizer(source, train)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder / TOKENIZER_DIR)

        jobs = _jobs(
            index,
            label,
            grid=fitted.grid,
            warehouse_dir=warehouse_dir,
            cxr_dir=cxr_dir,
            config=config,
            scaler=fitted.scaler,
            tokenizer=tokenizer,
            reuse=open_reuse(earlier, config.modality, tokenizer=tokenizer),
        )
        writer = ShardWriter(folder, config.modality.shard_stays)
        image_count = copied = 0
        unreadable: list[str] = []
        for part in spread(make_part, jobs):
            writer.add(part.table, part.manifest)
            image_count += part.images_asked
            unreadable += part.unreadable_dicom_ids
            copied += part.copied
            advance(part.table.num_rows)
        manifest = writer.finish()
        report = summarise(manifest, config, image_count=image_count, unreadable=unreadable)
        write_description(
            folder,
            report,
            config=config,
            train_label=label[is_train],
            vocabulary_size=0 if tokenizer is None else len(tokenizer),
            pad_id=0 if tokenizer is None else tokenizer.pad_token_id,
        )
    if copied:
        logger.info("%d images and stays of notes were copied from earlier tensors", copied)
    _log(report, config)
    return report


def _jobs(index: pl.DataFrame, label: np.ndarray, *, grid: dict[int, EhrGrid], **shared: Any) -> Iterator[PartJob]:
    """One job per chunk of stays, in their order; bins that were kept go with it and are let go of here."""
    first = 0
    for number, rows in enumerate(chunks(index)):
        own = label[first : first + rows.height]
        yield PartJob(rows=rows, label=own, grid=grid.pop(number, None), **shared)
        first += rows.height


def _counter(progress: Callable[[int, int], None] | None, *, total: int) -> Callable[[int], None]:
    done = 0

    def advance(stays: int) -> None:
        nonlocal done
        done += stays
        if progress is not None:
            progress(done, total)

    return advance


def _log(report: AlignReport, config: PipelineConfig) -> None:
    logger.info("aligned stays: %s", dict(report.stay_count))
    if report.unreadable_image_count:
        logger.warning(
            "%d of %d images are absent or not readable under files/ of MIMIC-CXR-JPG, their stays go on without cxr; "
            "their ids are in align_report.json: download them again",
            report.unreadable_image_count,
            report.image_count,
        )
    for modality in config.modality.modalities:
        if not report.presence_count[str(Split.TRAIN)][str(modality)]:
            logger.warning("%s: no stay of the train split has it; nothing can be learnt from it", modality)
    if report.stays_without_input:
        logger.warning("%d stays have none of the run's modalities", report.stays_without_input)
