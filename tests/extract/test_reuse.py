"""Staged tables that an earlier folder holds are taken over; what depends on a change is made again."""

from pathlib import Path

import pytest

from medpatch.contract.artifact import is_whole
from medpatch.contract.refresh import Step, refresh_from
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.source import find_raw
from medpatch.extract.staging import build_staging

from .conftest import EHR, write_gz
from .test_staging import rows

MADE = "medpatch.extract.staging._stage"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tables that are made, as they are made."""
    from medpatch.extract import staging

    names: list[str] = []
    original = staging._stage

    def noted(connection, file, **more):
        names.append(file.name)
        return original(connection, file, **more)

    monkeypatch.setattr(MADE, noted)
    return names


def test_only_the_table_of_a_changed_file_is_made_again(raw_dir: Path, tmp_path: Path, made: list[str]) -> None:
    build_staging(find_raw(raw_dir), tmp_path / "work" / "staging-a", inputs="a")
    assert len(made) == len(RAW_TABLES)
    made.clear()

    lab = EHR["hosp/labevents"].replace("150,150", "151,151")
    write_gz(raw_dir / "mimiciv" / "hosp" / "labevents.csv.gz", lab)
    build_staging(find_raw(raw_dir), tmp_path / "work" / "staging-b", inputs="b")

    assert made == ["stg_labevents"]
    assert ("151",) in rows(tmp_path / "work" / "staging-b", "stg_labevents", "value")
    assert is_whole(tmp_path / "work" / "staging-b")
    a, b = (tmp_path / "work" / f"staging-{x}" / "stg_chartevents" / "00000.parquet" for x in "ab")
    assert a.samefile(b)
    assert rows(tmp_path / "work" / "staging-b", "stg_row_count", "count(*)") == [(len(RAW_TABLES),)]


def test_changed_dictionary_of_codes_leaves_the_diagnoses_as_they_are(
    raw_dir: Path, tmp_path: Path, made: list[str]
) -> None:
    build_staging(find_raw(raw_dir), tmp_path / "work" / "staging-a", inputs="a")
    made.clear()
    dictionary = EHR["hosp/d_icd_diagnoses"].replace("4019,9", "4019,10")
    write_gz(raw_dir / "mimiciv" / "hosp" / "d_icd_diagnoses.csv.gz", dictionary)

    build_staging(find_raw(raw_dir), tmp_path / "work" / "staging-b", inputs="b")

    assert made == ["stg_d_icd_diagnoses"]


def test_folder_that_is_replaced_lends_its_tables(raw_dir: Path, tmp_path: Path, made: list[str]) -> None:
    build_staging(find_raw(raw_dir), tmp_path / "work" / "staging", inputs="old")
    made.clear()

    build_staging(find_raw(raw_dir), tmp_path / "work" / "staging", inputs="new")

    assert made == []
    assert rows(tmp_path / "work" / "staging", "stg_chartevents", "count(*)") == [(6,)]


def test_nothing_is_taken_over_while_extraction_is_to_be_done_again(
    raw_dir: Path, tmp_path: Path, made: list[str]
) -> None:
    build_staging(find_raw(raw_dir), tmp_path / "work" / "staging-a", inputs="a")
    made.clear()
    try:
        refresh_from([Step.EXTRACT])
        build_staging(find_raw(raw_dir), tmp_path / "work" / "staging-a", inputs="a")
    finally:
        refresh_from(())
    assert len(made) == len(RAW_TABLES)


def test_rejects_of_a_table_taken_over_stay_on_record(raw_dir: Path, tmp_path: Path, made: list[str]) -> None:
    patients = EHR["hosp/patients"] + EHR["hosp/patients"].split("\n")[1] + "\n"
    write_gz(raw_dir / "mimiciv" / "hosp" / "patients.csv.gz", patients)
    for name in ("a", "b"):
        build_staging(find_raw(raw_dir), tmp_path / "work" / name, inputs=name)

    assert len(made) == len(RAW_TABLES)
    assert rows(tmp_path / "work" / "b", "reject", "source, reason, rows") == [("patients", "row repeated", 1)]


@pytest.mark.parametrize("harm", ["truncate", "forget"])
def test_folder_that_is_not_whole_lends_nothing(raw_dir: Path, tmp_path: Path, made: list[str], harm: str) -> None:
    build_staging(find_raw(raw_dir), tmp_path / "work" / "a", inputs="a")
    made.clear()
    if harm == "truncate":
        part = tmp_path / "work" / "a" / "stg_patients.parquet"
        part.write_bytes(part.read_bytes()[:-1])
    else:
        (tmp_path / "work" / "a" / "staged.json").unlink()

    build_staging(find_raw(raw_dir), tmp_path / "work" / "b", inputs="b")

    assert len(made) == len(RAW_TABLES)


def test_changed_query_makes_its_table_again(
    raw_dir: Path, tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_staging(find_raw(raw_dir), tmp_path / "work" / "a", inputs="a")
    made.clear()
    from dataclasses import replace

    from medpatch.extract import staging

    files = [
        replace(file, text="-- changed\n" + file.text) if file.name == "stg_patients" else file
        for file in staging.list_layers()
    ]
    monkeypatch.setattr("medpatch.extract.staging.list_layers", lambda: files)

    build_staging(find_raw(raw_dir), tmp_path / "work" / "b", inputs="b")

    assert made == ["stg_patients"]


def test_progress_moves_inside_a_file_and_ends_at_the_size_of_all(
    raw_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medpatch.extract.piece.read_pieces.__kwdefaults__", {"piece_bytes": 100}, raising=False)
    monkeypatch.setattr("medpatch.extract.staging.MEBIBYTE", 1)
    seen: list[tuple[int, int]] = []
    chart = raw_dir / "mimiciv" / "icu" / "chartevents.csv.gz"
    chart.unlink()
    chart.with_suffix("").write_text(EHR["icu/chartevents"] + "3,30,300,7,2120-01-02 01:00:00,,220045,70,70,bpm\n" * 99)

    build_staging(find_raw(raw_dir), tmp_path / "work", inputs="a", progress=lambda *now: seen.append(now))

    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1]
    assert len(seen) > len(RAW_TABLES) + 20
