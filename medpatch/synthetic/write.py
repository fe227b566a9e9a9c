"""`write_tree`: a made-up MIMIC tree of any size, chunk by chunk, with its oracle beside it."""

from collections.abc import Callable, Iterator
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
            for number, start in enumerate(range(0, subjects, CHUNK_SUBJECTS)):
                rng = np.random.default_rng([seed, number])
                count = min(CHUNK_SUBJECTS, subjects - start)
                late = np.random.default_rng([seed, number, LATE])
                chunk = draw_chunk(rng, number, count=count)
                _write_chunk(rng, chunk, late=late, sink=sink, oracle=oracle, root=root)
                if progress:
                    progress(start + count, subjects)
        describe(root, kind="synthetic", subjects=subjects, seed=seed, statement=STATEMENT)


def _write_chunk(
    rng: np.random.Generator,
    chunk: Chunk,
    *,
    late: np.random.Generator,
    sink: TableSink,
    oracle: "_OracleSink",
    root: Path,
) -> None:
    for table, frame in _chunk_tables(rng, chunk, late=late):
        sink.add(table, frame)
    pictures = chunk_pictures(rng, chunk)
    pictures += foreign_pictures(rng, chunk, study=next_study(pictures))
    for table, frame in write_pictures(rng, pictures, root=root, number=chunk.number).items():
        sink.add(table, frame)
    count = chunk.plan.count
    for task in Task:
        oracle.add(task, oracle_rows(
            chunk.plan, task, stay_id=chunk.stays.stay_id[:count], is_listed=chunk.stays.is_faithful[:count]
        ))  # fmt: skip


def _chunk_tables(
    rng: np.random.Generator, chunk: Chunk, *, late: np.random.Generator
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Table by table, so that only one is in memory."""
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
