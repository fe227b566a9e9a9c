"""Trees are written chunk by chunk: nothing grows with their size, and nothing collides."""

import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medpatch.synthetic import write
from medpatch.synthetic.identity import HADM, identifiers
from medpatch.synthetic.sink import TableSink


def test_memory_does_not_grow_with_the_number_of_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "CHUNK_SUBJECTS", 6)
    write.write_tree(tmp_path / "warm", subjects=6, seed=1)  # caches are filled once
    peaks = []
    for chunks in (1, 5):
        tracemalloc.start()
        write.write_tree(tmp_path / str(chunks), subjects=6 * chunks, seed=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.6 * peaks[0]


def test_chunks_do_not_share_identifiers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "CHUNK_SUBJECTS", 16)
    seen: list[tuple[int, int]] = []
    write.write_tree(tmp_path / "tree", subjects=40, seed=1, progress=lambda *step: seen.append(step))
    assert seen == [(16, 40), (32, 40), (40, 40)]
    for table, key in (
        ("mimiciv/hosp/patients", "subject_id"),
        ("mimiciv/hosp/admissions", "hadm_id"),
        ("mimiciv/icu/icustays", "stay_id"),
        ("mimiciv/hosp/labevents", "labevent_id"),
        ("mimiciv/hosp/transfers", "transfer_id"),
        ("mimic-iv-note/note/radiology", "note_id"),
        ("mimic-cxr-jpg/mimic-cxr-2.0.0-metadata", "dicom_id"),
    ):
        values = pl.read_csv(tmp_path / "tree" / f"{table}.csv.gz", infer_schema=False)[key]
        assert values.is_unique().all(), table
    assert pl.read_csv(tmp_path / "tree" / "mimiciv/hosp/patients.csv.gz").height == 40


def test_identifiers_never_repeat_and_have_eight_digits() -> None:
    many = np.concatenate([identifiers(HADM, chunk, count=2048) for chunk in (0, 1, 7, 4881)])
    assert many.dtype == np.int64
    assert len(np.unique(many)) == len(many)
    assert many.min() >= 20_000_000
    assert many.max() < 30_000_000


def test_a_column_that_is_not_published_is_refused(tmp_path: Path) -> None:
    with TableSink(tmp_path, ["mimiciv/hosp/patients"]) as sink:
        with pytest.raises(ValueError, match="not published columns"):
            sink.add("mimiciv/hosp/patients", pl.DataFrame({"subject_id": [1], "shoe_size": [44]}))
        with pytest.raises(ValueError, match="is not open"):
            sink.add("mimiciv/hosp/admissions", pl.DataFrame({"subject_id": [1]}))
