"""`write_tree`: a made-up MIMIC tree of any size, chunk by chunk, with its oracle beside it."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from medpatch.config.error import ConfigError
from medpatch.config.name import Task
from medpatch.contract.prediction import ORACLE_SCHEMA
from medpatch.synthetic import filler, hosp, icu
from medpatch.synthetic.chart import chart_events
from medpatch.synthetic.chunk import Chunk
from medpatch.synthetic.cxr import chunk_pictures, foreign_pictures, next_study, write_pictures
from medpatch.synthetic.folder import describe, made_up_folder
from medpatch.synthetic.identity import CHUNK_SUBJECTS, MOST_SUBJECTS
from medpatch.synthetic.lab import lab_events
from medpatch.synthetic.note import LATE, discharge, radiology
from medpatch.synthetic.sight import oracle_rows
from medpatch.synthetic.sink import TableSink, published_columns
from medpatch.synthetic.timeline import draw_chunk

STATEMENT = (
    "Every patient, value, image and word in this folder was made up by a program. It only has the shape of "
    "MIMIC-IV, MIMIC-CXR-JPG and MIMIC-IV-Note. No result from it says anything about medicine."
)
Progress = Callable[[int, int], None]

MOST_WORKERS = 8
FEWEST_CHUNKS = 4
"""Chunks from which further processes pay: each takes about two seconds to start."""


def write_tree(out_dir: Path, *, subjects: int, seed: int, progress: Progress | None = None) -> None:
    """Write a made-up tree to `out_dir`, whole or not at all.

    Below it: mimiciv/{hosp,icu}, mimic-cxr-jpg, mimic-iv-note, oracle/<task>.parquet and MADE_UP.json. The
    same subjects, seed and version give the same bytes. Memory does not grow with `subjects`.

    Args:
        out_dir: the folder to make; an earlier made-up tree there is replaced.
        subjects: people in MIMIC-IV, at least 1.
        seed: of everything.
        progress: called with (subjects done, subjects).

    Raises:
        ConfigError: `subjects` is out of range, or `out_dir` holds something that is not a made-up tree.
    """
    if not 1 <= subjects <= MOST_SUBJECTS:
        raise ConfigError(f"synth: {subjects} subjects asked for; choose between 1 and {MOST_SUBJECTS}")
    with made_up_folder(out_dir) as root:
        with TableSink(root, published_columns()) as sink, _OracleSink(root / "oracle") as oracle:
            for table, frame in filler.dictionaries().items():
                sink.add(table, frame)
            sink.add("mimiciv/hosp/d_icd_diagnoses", hosp.diagnosis_dictionary())
            done = 0
            for made in _made_chunks(root, subjects=subjects, seed=seed):
                for table, frame in made.tables:
                    sink.add(table, frame)
                for task, frame in made.oracle.items():
                    oracle.add(task, frame)
                done += made.subjects
                if progress:
                    progress(done, subjects)
        describe(root, kind="synthetic", subjects=subjects, seed=seed, statement=STATEMENT)


@dataclass(frozen=True)
class _Made:
    """What a chunk adds to the files that all chunks share; its pictures are written."""

    subjects: int
    tables: list[tuple[str, pl.DataFrame]]
    oracle: dict[Task, pl.DataFrame]


def _made_chunks(root: Path, *, subjects: int, seed: int) -> Iterator[_Made]:
    """Every chunk in order, made by several processes where there are enough of them to pay for their start."""
    starts = range(0, subjects, CHUNK_SUBJECTS)
    counts = [min(CHUNK_SUBJECTS, subjects - start) for start in starts]
    make = partial(_make_chunk, root, seed=seed)
    if len(counts) < FEWEST_CHUNKS:
        yield from map(make, range(len(counts)), counts)
        return
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    waiting: deque[Future[_Made]] = deque()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for number, count in enumerate(counts):
            waiting.append(pool.submit(make, number, count))
            if len(waiting) > workers + 1:  # memory does not grow with the number of chunks
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _make_chunk(root: Path, number: int, count: int, *, seed: int) -> _Made:
    rng, late = np.random.default_rng([seed, number]), np.random.default_rng([seed, number, LATE])
    chunk = draw_chunk(rng, number, count=count)
    tables = list(_chunk_tables(rng, chunk, late=late))
    pictures = chunk_pictures(rng, chunk)
    pictures += foreign_pictures(rng, chunk, study=next_study(pictures))
    tables += write_pictures(rng, pictures, root=root, number=number).items()
    planned = chunk.plan.count
    stays = {"stay_id": chunk.stays.stay_id[:planned], "is_listed": chunk.stays.is_faithful[:planned]}
    return _Made(count, tables, {task: oracle_rows(chunk.plan, task, **stays) for task in Task})


def _chunk_tables(
    rng: np.random.Generator, chunk: Chunk, *, late: np.random.Generator
) -> Iterator[tuple[str, pl.DataFrame]]:
    yield "mimiciv/hosp/patients", hosp.patients(chunk)
    yield "mimiciv/hosp/admissions", hosp.admissions(rng, chunk)
    yield "mimiciv/hosp/transfers", hosp.transfers(chunk)
    yield "mimiciv/hosp/services", hosp.services(chunk)
    yield "mimiciv/hosp/diagnoses_icd", hosp.diagnoses(rng, chunk)
    yield "mimiciv/hosp/labevents", lab_events(rng, chunk)
    for rows in (filler.procedures_icd, filler.hcpcsevents, filler.drgcodes, filler.omr, filler.microbiologyevents):
        yield f"mimiciv/hosp/{rows.__name__}", rows(rng, chunk)
    yield from filler.medication_tables(rng, chunk).items()
    yield "mimiciv/icu/icustays", icu.icu_stays(chunk)
    yield "mimiciv/icu/chartevents", chart_events(rng, chunk)
    yield "mimiciv/icu/outputevents", icu.output_events(rng, chunk)
    yield "mimiciv/icu/inputevents", icu.input_events(rng, chunk)
    yield "mimiciv/icu/ingredientevents", icu.ingredient_events(rng, chunk)
    yield "mimiciv/icu/procedureevents", icu.procedure_events(rng, chunk)
    yield "mimiciv/icu/datetimeevents", icu.datetime_events(rng, chunk)
    for kind, tables in (("radiology", radiology(rng, chunk, late=late)), ("discharge", discharge(rng, chunk))):
        yield f"mimic-iv-note/note/{kind}", tables.note
        yield f"mimic-iv-note/note/{kind}_detail", tables.detail


class _OracleSink:
    """One Parquet file per task, a row group per chunk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._writers = {
            task: pq.ParquetWriter(folder / f"{task}.parquet", ORACLE_SCHEMA, compression="zstd") for task in Task
        }

    def __enter__(self) -> "_OracleSink":
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, task: Task, frame: pl.DataFrame) -> None:
        self._writers[task].write_table(frame.to_arrow().cast(ORACLE_SCHEMA))
