"""One chunk of stays aligned on its own: what a worker of a cluster is given, and what it gives back."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from medpatch.align.ehr import EhrGrid, value_columns
from medpatch.align.reuse import Reuse
from medpatch.align.scaler import Scaler
from medpatch.align.source import open_source, read_cxr, read_grid, read_notes
from medpatch.align.stay import StayColumns, manifest_rows, stay_table
from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


Job, Made = TypeVar("Job"), TypeVar("Made")
MOST_THREADS = 4
"""Chunks in work at once, at most; each may hold a thousand images."""


@dataclass(frozen=True)
class PartJob:
    """All that one chunk needs; small, so that it can travel.

    Attributes:
        warehouse_dir: the mart tables; the worker reads them itself.
        cxr_dir: the MIMIC-CXR-JPG folder, or None.
        config: the run.
        rows: n consecutive rows of stay_index.
        label: (n, K) int8.
        scaler: fitted on train.
        tokenizer: None where the run has no notes.
        reuse: earlier tensors that images and notes may be copied from.
        grid: the bins of the chunk where fitting the scaler has kept them; None = the worker makes them.
    """

    warehouse_dir: Path
    cxr_dir: Path | None
    config: PipelineConfig
    rows: pl.DataFrame
    label: np.ndarray
    scaler: Scaler
    tokenizer: "PreTrainedTokenizerFast | None"
    reuse: Reuse
    grid: EhrGrid | None = None


@dataclass(frozen=True)
class Part:
    """An aligned chunk.

    Attributes:
        table: n rows in STAY_SCHEMA.
        manifest: their n rows without `shard` and `row`.
        images_asked: how many of the stays have a chosen study.
        unreadable_dicom_ids: those whose file is absent or not readable.
        copied: images, and stays of a kind of notes, that come from earlier tensors.
    """

    table: pa.Table
    manifest: pl.DataFrame
    images_asked: int
    unreadable_dicom_ids: tuple[str, ...]
    copied: int


Spread = Callable[[Callable[[PartJob], Part], Iterable[PartJob]], Iterable[Part]]
"""Like the built-in `map`: applies a function to jobs, gives the results in the order of the jobs."""


def on_threads(function: Callable[[Job], Made], jobs: Iterable[Job]) -> Iterator[Made]:
    """`map` on the cores of this machine: results in the order of the jobs, few jobs begun ahead of the caller.

    Threads help: Polars, NumPy, Pillow and the tokenizer work without holding the interpreter.
    """
    workers = min(os.cpu_count() or 1, MOST_THREADS)
    begun: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for job in jobs:
                begun.append(pool.submit(function, job))
                if len(begun) > workers:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def make_part(job: PartJob) -> Part:
    """Bin, decode, tokenise and join one chunk of stays."""
    source = open_source(job.warehouse_dir, job.cxr_dir, config=job.config)
    grid = read_grid(source, job.rows) if job.grid is None else job.grid
    images = read_cxr(source, job.rows, reuse=job.reuse)
    notes = {
        m: read_notes(source, m, rows=job.rows, tokenizer=job.tokenizer, reuse=job.reuse)
        for m in (Modality.RR, Modality.DN)
    }
    stays = StayColumns(
        index=job.rows,
        label=job.label,
        grid=grid,
        ehr=None if grid is None else value_columns(grid, source.layout, scaler=job.scaler),
        cxr=images.image,
        notes={m: found.chunks for m, found in notes.items()},
        key={Modality.CXR: images.key, **{m: found.key for m, found in notes.items()}},
    )
    return Part(
        table=stay_table(stays),
        manifest=manifest_rows(stays, source.layout),
        images_asked=images.asked,
        unreadable_dicom_ids=images.unreadable_dicom_ids,
        copied=images.copied + sum(found.copied for found in notes.values()),
    )
