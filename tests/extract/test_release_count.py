"""Numbers of rows against those of the release, only where files claim to be a whole release."""

import logging
from pathlib import Path

import polars as pl
import pytest

from medpatch.config.preset import phenotyping
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.release_count import SEED, name_differences, release_counts
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw

from .conftest import write_ehr, write_gz

PHYSIONET = Path("physionet.org") / "files"


def test_every_count_is_of_a_raw_table_and_says_where_it_is_from() -> None:
    rows = pl.read_csv(SEED, schema_overrides={"release": pl.String})

    assert set(rows["source"]) <= set(RAW_TABLES)
    assert rows["reference"].str.len_chars().min() > 0
    assert rows.select("release", "source").is_unique().all()


@pytest.mark.parametrize("place", [PHYSIONET / "mimiciv" / "3.1", "mimic-iv-3.1"])
def test_folder_named_after_a_release_claims_its_counts(tmp_path: Path, place: Path | str) -> None:
    write_ehr(tmp_path / place)

    counts = release_counts(find_raw(tmp_path))

    assert counts["icustays"] == 94_458
    assert counts["chartevents"] == 432_997_491
    assert "radiology" not in counts


def test_notes_claim_their_own_release(tmp_path: Path) -> None:
    write_ehr(tmp_path / "mimiciv")
    note = "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text\n"
    for name in ("radiology", "discharge"):
        write_gz(tmp_path / "mimic-iv-note" / "2.2" / "note" / f"{name}.csv.gz", note)

    assert release_counts(find_raw(tmp_path)) == {"discharge": 331_794, "radiology": 2_321_355}


@pytest.mark.parametrize("place", ["", "mimiciv", "mimic-iv-demo/2.2", "physionet.org/files/mimic-iv-demo/2.2"])
def test_the_demo_and_folders_without_a_release_claim_nothing(tmp_path: Path, place: str) -> None:
    write_ehr(tmp_path / place)

    assert release_counts(find_raw(tmp_path)) == {}


def test_a_made_up_tree_claims_nothing(tmp_path: Path) -> None:
    write_ehr(tmp_path / PHYSIONET / "mimiciv" / "3.1")
    (tmp_path / "MADE_UP.json").write_text('{"statement": "made up"}')

    assert release_counts(find_raw(tmp_path)) == {}


def test_file_with_other_rows_than_its_release_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_ehr(tmp_path / "mimiciv" / "3.1")
    source = find_raw(tmp_path)

    with caplog.at_level(logging.WARNING):
        named = name_differences(source, {"icustays": 94_457, "patients": 364_627}, counts=release_counts(source))

    assert len(named) == 1
    assert "icustays.csv.gz: 94457 rows, 94458 in release 3.1" in named[0]
    assert named[0] in caplog.text


def test_extraction_names_the_files_and_accounts_for_the_published_rows(tmp_path: Path) -> None:
    write_ehr(tmp_path / "mimiciv" / "2.2")

    report = build_warehouse(find_raw(tmp_path), phenotyping(), out_dir=tmp_path / "out", inputs="raw")

    assert len(report.differences) == 7
    account = pl.read_parquet(tmp_path / "out" / "row_account.parquet")
    first = account.filter(pl.col("rule") == "read, and not rejected")
    published = dict(first.select("source", "rows_published").rows())
    assert published["icustays"] == 73_181
    assert published["cxr_metadata"] is None
    assert account.filter(pl.col("rule") != "read, and not rejected")["rows_published"].is_null().all()
