"""Finding the raw data sets: layouts, releases, what is absent, and what identifies their content."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from medpatch.config.error import RawDataError
from medpatch.config.name import Modality
from medpatch.extract.source import find_raw, missing_modalities, raw_fingerprint

from .conftest import CXR, EHR, RADIOLOGY, write_ehr, write_gz


@pytest.mark.parametrize("inside", [".", "mimiciv", "mimiciv/3.1", "physionet.org/files/mimiciv/3.1", "mimic-iv-3.1"])
def test_ehr_is_found_in_every_layout(tmp_path: Path, inside: str) -> None:
    write_ehr(tmp_path / inside)

    source = find_raw(tmp_path)

    assert source.ehr_dir == tmp_path / inside
    assert source.release == ("3.1" if inside.endswith("3.1") else "2.2")
    assert source.cxr_dir is None
    assert source.note_dir is None


@pytest.mark.parametrize(
    ("cxr", "note"),
    [
        ("mimic-cxr-jpg", "mimic-iv-note/note"),
        ("mimic-cxr-jpg/2.1.0", "mimic-iv-note/2.2/note"),
        ("physionet.org/files/mimic-cxr-jpg/2.0.0", "physionet.org/files/mimic-iv-note/2.2/note"),
        ("mimic-cxr-jpg", "mimic-iv-note"),
        (
            "mimic-cxr-jpg-chest-radiographs-with-structured-labels-2.1.0",
            "mimic-iv-note-deidentified-free-text-clinical-notes-2.2/note",
        ),
    ],
)
def test_images_and_notes_are_found_in_every_layout(tmp_path: Path, cxr: str, note: str) -> None:
    write_ehr(tmp_path / "mimiciv")
    write_gz(tmp_path / cxr / "mimic-cxr-2.0.0-metadata.csv.gz", CXR)
    write_gz(tmp_path / note / "radiology.csv.gz", RADIOLOGY)

    source = find_raw(tmp_path)

    assert (source.cxr_dir, source.note_dir) == (tmp_path / cxr, tmp_path / note)


def test_newest_version_wins_by_number_not_by_spelling(tmp_path: Path) -> None:
    for version in ("2.2", "10.0", "3.1"):
        write_ehr(tmp_path / "mimiciv" / version)

    assert find_raw(tmp_path).release == "10.0"


@pytest.mark.parametrize("release", ["1.0", "2.0", "2.2", "3.0", "3.1"])
def test_release_of_the_folder_counts_before_the_columns(tmp_path: Path, release: str) -> None:
    write_ehr(tmp_path / f"mimic-iv-{release}")

    assert find_raw(tmp_path).release == release


def test_release_one_keeps_patients_in_core_and_says_ethnicity(tmp_path: Path) -> None:
    admissions = EHR["hosp/admissions"].replace("admit_provider_id,race", "provider,ethnicity")
    moved = {"hosp/patients": None, "hosp/admissions": None, "core/patients": EHR["hosp/patients"]}
    write_ehr(tmp_path, moved | {"core/admissions": admissions})

    assert find_raw(tmp_path).release == "1.0"


@pytest.mark.parametrize(
    ("table", "old", "new", "release"),
    [
        ("hosp/admissions", "admit_provider_id", "provider", "2.0"),
        ("hosp/patients", "2008 - 2010", "2008 - 2010", "2.2"),
        ("hosp/patients", "2008 - 2010", "2020 - 2022", "3.1"),
    ],
)
def test_release_is_told_from_columns_and_years(tmp_path: Path, table: str, old: str, new: str, release: str) -> None:
    write_ehr(tmp_path, {table: EHR[table].replace(old, new)})

    assert find_raw(tmp_path).release == release


def test_plain_csv_and_parquet_are_accepted(tmp_path: Path) -> None:
    write_ehr(tmp_path, {"icu/icustays": None, "icu/chartevents": None})
    (tmp_path / "icu").mkdir(exist_ok=True)
    (tmp_path / "icu" / "icustays.csv").write_text(EHR["icu/icustays"])
    rows = write_gz(tmp_path / "elsewhere.csv.gz", EHR["icu/chartevents"])
    duckdb.sql(f"COPY (FROM read_csv('{rows}')) TO '{tmp_path}/icu/chartevents.parquet'")

    source = find_raw(tmp_path)

    assert source.file("icustays") == tmp_path / "icu" / "icustays.csv"
    assert source.file("chartevents") == tmp_path / "icu" / "chartevents.parquet"


def test_absent_table_is_named_with_the_releases_that_have_it(tmp_path: Path) -> None:
    write_ehr(tmp_path, {"icu/chartevents": None})

    with pytest.raises(RawDataError, match=r"icu/chartevents.*absent.*1\.0 to 3\.1"):
        find_raw(tmp_path)


def test_absent_column_is_named_with_its_file(tmp_path: Path) -> None:
    write_ehr(tmp_path, {"icu/icustays": EHR["icu/icustays"].replace("first_careunit", "careunit")})

    with pytest.raises(RawDataError, match=r"icustays\.csv\.gz: column first_careunit is absent; found .*careunit"):
        find_raw(tmp_path)


def test_file_of_no_bytes_is_empty_and_not_a_header(tmp_path: Path) -> None:
    write_ehr(tmp_path)
    (tmp_path / "hosp" / "patients.csv.gz").write_bytes(b"")

    with pytest.raises(RawDataError, match=r"patients\.csv\.gz: the file is empty"):
        find_raw(tmp_path)


def test_gzip_cut_within_its_header_is_truncated(tmp_path: Path) -> None:
    file = write_ehr(tmp_path) / "hosp" / "patients.csv.gz"
    file.write_bytes(file.read_bytes()[:14])

    with pytest.raises(RawDataError, match=r"patients\.csv\.gz: the gzip stream is truncated"):
        find_raw(tmp_path)


def test_text_with_a_gz_suffix_is_refused(tmp_path: Path) -> None:
    write_ehr(tmp_path)
    (tmp_path / "hosp" / "patients.csv.gz").write_text(EHR["hosp/patients"])

    with pytest.raises(RawDataError, match=r"patients\.csv\.gz: not a readable \.csv\.gz file"):
        find_raw(tmp_path)


@pytest.mark.parametrize("folder", ["empty", "nowhere"])
def test_folder_without_mimic_says_what_it_should_hold(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(RawDataError, match=r"mimiciv|MEDPATCH_RAW_DIR"):
        find_raw(tmp_path / folder)


def test_images_without_their_table_are_refused(tmp_path: Path) -> None:
    write_ehr(tmp_path / "mimiciv")
    (tmp_path / "mimic-cxr-jpg" / "files").mkdir(parents=True)

    with pytest.raises(RawDataError, match=r"mimic-cxr-2\.0\.0-metadata\.csv\.gz"):
        find_raw(tmp_path)


def test_missing_modalities_are_those_without_a_table(raw_dir: Path) -> None:
    assert missing_modalities(find_raw(raw_dir), tuple(Modality)) == ()

    (raw_dir / "mimic-iv-note" / "note" / "discharge.csv.gz").unlink()
    shutil.rmtree(raw_dir / "mimic-cxr-jpg")

    assert missing_modalities(find_raw(raw_dir), tuple(Modality)) == (Modality.CXR, Modality.DN)
    assert missing_modalities(find_raw(raw_dir), (Modality.EHR, Modality.RR)) == ()


def test_made_up_data_say_so(raw_dir: Path) -> None:
    assert find_raw(raw_dir).made_up is None

    (raw_dir / "MADE_UP.json").write_text(json.dumps({"seed": 1}))

    assert find_raw(raw_dir).made_up == {"seed": 1}


def test_fingerprint_follows_content_and_not_the_place(raw_dir: Path, tmp_path: Path) -> None:
    before = raw_fingerprint(find_raw(raw_dir))
    moved = raw_dir.rename(tmp_path / "moved")
    (moved / "mimic-cxr-jpg" / "files").mkdir()
    (moved / "mimic-cxr-jpg" / "files" / "image.jpg").write_bytes(b"not looked at")
    assert raw_fingerprint(find_raw(moved)) == before

    lab = EHR["hosp/labevents"].replace("150,150", "151,151")
    write_gz(moved / "mimiciv" / "hosp" / "labevents.csv.gz", lab)
    assert raw_fingerprint(find_raw(moved)) != before


def test_large_file_counts_by_size_time_and_edges(raw_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medpatch.extract.source.WHOLE_HASH_BYTES", 10)
    monkeypatch.setattr("medpatch.extract.source.EDGE_BYTES", 8)
    before = raw_fingerprint(find_raw(raw_dir))
    assert raw_fingerprint(find_raw(raw_dir)) == before

    file = raw_dir / "mimiciv" / "icu" / "chartevents.csv.gz"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")

    assert raw_fingerprint(find_raw(raw_dir)) != before
