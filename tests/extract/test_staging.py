"""Raw files to Parquet: what is kept, and that a broken file leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from medpatch.config.code import EXTRACT_CODE
from medpatch.config.error import RawDataError
from medpatch.contract.artifact import is_current
from medpatch.extract.register import register_parquet
from medpatch.extract.source import find_raw
from medpatch.extract.staging import build_staging

from .conftest import EHR, write_ehr


def stage(raw: Path, out: Path) -> Path:
    build_staging(find_raw(raw), out, inputs="raw")
    return out


def rows(staging: Path, table: str, columns: str) -> list[tuple]:
    with duckdb.connect() as connection:
        register_parquet(connection, staging)
        return connection.execute(f"SELECT {columns} FROM {table}").fetchall()


def test_notes_keep_their_line_breaks_quotes_and_order(raw_dir: Path, tmp_path: Path) -> None:
    staged = rows(stage(raw_dir, tmp_path / "work"), "stg_radiology", "note_id, file_order, text")

    assert staged == [
        ("1-RR-1", 1, 'EXAM: chest\n"portable"\nIMPRESSION: clear, no effusion'),
        ("2-RR-1", 2, "None"),
    ]


def test_none_is_an_answer_and_nan_is_no_value(raw_dir: Path, tmp_path: Path) -> None:
    staged = rows(stage(raw_dir, tmp_path / "work"), "stg_chartevents", "itemid, value")

    assert (220739, "None") in staged
    assert (220045, None) in staged


@pytest.mark.parametrize("token", ["#N/A", "-1.#QNAN", "<NA>", "n/a", "null", '"NA"'])
def test_missing_value_tokens_are_null(tmp_path: Path, token: str) -> None:
    write_ehr(tmp_path / "raw", {"icu/chartevents": EHR["icu/chartevents"].replace(",None,1,", f",{token},1,")})

    staged = rows(stage(tmp_path / "raw", tmp_path / "work"), "stg_chartevents", "itemid, value")

    assert (220739, None) in staged


def test_rows_read_and_kept_are_counted_per_table(raw_dir: Path, tmp_path: Path) -> None:
    counts = rows(stage(raw_dir, tmp_path / "work"), "stg_row_count", "source, rows_in, rows_kept")

    assert ("chartevents", 6, 6) in counts
    assert ("labevents", 3, 3) in counts
    assert ("radiology", 2, 2) in counts
    assert len(counts) == 10


def test_absent_data_sets_are_empty_tables_with_their_columns(tmp_path: Path) -> None:
    write_ehr(tmp_path / "raw")

    staging = stage(tmp_path / "raw", tmp_path / "work")

    assert rows(staging, "stg_cxr_metadata", "dicom_id, studytime, image_path") == []
    assert rows(staging, "stg_discharge", "note_id, charttime, text") == []


def test_release_one_is_staged_like_any_other(tmp_path: Path) -> None:
    moved = {"hosp/patients": None, "hosp/admissions": None, "core/patients": EHR["hosp/patients"]}
    old = EHR["hosp/admissions"].replace("race", "ethnicity")
    write_ehr(tmp_path / "raw", moved | {"core/admissions": old})

    staged = rows(stage(tmp_path / "raw", tmp_path / "work"), "stg_admissions", "hadm_id, race")

    assert staged[0] == (10, "WHITE - RUSSIAN")


def break_gzip(raw: Path) -> None:
    file = raw / "icu" / "chartevents.csv.gz"
    file.write_bytes(file.read_bytes()[:-9])


def break_type(raw: Path) -> None:
    write_ehr(raw, {"icu/chartevents": EHR["icu/chartevents"].replace("2,20,200,7,2110-01-02 01", "2,20,200,7,secret")})


def break_quote(raw: Path) -> None:
    write_ehr(raw, {"hosp/labevents": EHR["hosp/labevents"].replace(",150,150,", ',"150"secret,150,')})


def break_width(raw: Path) -> None:
    write_ehr(raw, {"icu/icustays": EHR["icu/icustays"] + "3,30,300,secret\n"})


def break_encoding(raw: Path) -> None:
    file = write_ehr(raw) / "hosp" / "patients.csv.gz"
    file.unlink()
    file.with_suffix("").write_bytes(EHR["hosp/patients"].encode().replace(b"1,F,50", b"1,\xff\xfesecret,50"))


def drop_rows(raw: Path) -> None:
    write_ehr(raw, {"hosp/diagnoses_icd": EHR["hosp/diagnoses_icd"].split("\n")[0] + "\n"})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (break_gzip, r"chartevents\.csv\.gz: the gzip stream ends too early"),
        (break_type, r"chartevents\.csv\.gz, line 4 .*another type in column charttime"),
        (break_quote, r"labevents\.csv\.gz, line 3 .*quoted text is not closed"),
        (break_width, r"icustays\.csv\.gz, line 5 .*another number of fields"),
        (break_encoding, r"patients\.csv, line 2 .*not UTF-8"),
        (drop_rows, r"diagnoses_icd\.csv\.gz: a header and no rows"),
    ],
)
def test_broken_file_is_named_with_its_line_and_leaves_nothing(
    tmp_path: Path, leftovers: Callable[[], list[str]], harm: Callable[[Path], None], message: str
) -> None:
    harm(write_ehr(tmp_path / "raw"))

    with pytest.raises(RawDataError, match=message) as caught:
        stage(tmp_path / "raw", tmp_path / "work" / "staging")

    assert leftovers() == []
    assert "secret" not in str(caught.value)


def test_broken_file_leaves_the_earlier_folder_whole(raw_dir: Path, tmp_path: Path) -> None:
    out = stage(raw_dir, tmp_path / "work")
    break_gzip(raw_dir / "mimiciv")

    with pytest.raises(RawDataError):
        stage(raw_dir, out)

    assert is_current(out, inputs="raw", packages=EXTRACT_CODE)
