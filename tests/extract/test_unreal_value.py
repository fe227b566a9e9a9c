"""Words that a reader of numbers and times takes for values, and images listed twice."""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpatch.config.error import RawDataError

from .conftest import CXR, EHR, write_ehr, write_gz
from .test_staging import rows, stage

FOREVER = pa.array([2**63 - 1], pa.int64()).cast(pa.timestamp("us"))


@pytest.mark.parametrize(
    ("place", "old", "word", "message"),
    [
        ("hosp/admissions", "2100-01-08 18:00:00", "infinity", "line 2 .*column dischtime, a time such as"),
        ("icu/icustays", "2100-01-05 00:00:00", "-infinity", "line 2 .*column outtime, a time such as"),
        ("icu/icustays", "2110-01-02 00:00:00", "epoch", "line 3 .*column intime, a time such as"),
        ("icu/chartevents", "2110-01-02 02:00:00", "infinity", "line 6 .*column charttime, a time such as"),
        ("icu/chartevents", "2110-01-02 02:00:00", "21100-01-02 02:00:00", "line 6 .*column charttime, a time such"),
        ("hosp/labevents", "2110-01-02 07:00:00", "epoch", "column charttime, a time such as"),
        ("icu/icustays", ",3\n", ",inf\n", "line 2 .*column los, a number was expected"),
        ("icu/icustays", ",3\n", ",1e999\n", "line 2 .*column los, a number was expected"),
        ("hosp/patients", "1,F,50", "1,F,inf", "line 2 .*column anchor_age, a whole number was expected"),
    ],
)
def test_word_for_what_has_no_end_is_no_value(tmp_path: Path, place: str, old: str, word: str, message: str) -> None:
    raw = write_ehr(tmp_path / "raw", {place: EHR[place].replace(old, word, 1)})

    with pytest.raises(RawDataError, match=rf"{Path(place).name}\.csv\.gz.*{message}"):
        stage(raw, tmp_path / "work" / "staging")

    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("text", ["2100-01-05 00:00:00.5", " 2100-01-05 00:00", "2100-01-05T00:00:00", "2100-01-05"])
def test_time_may_be_written_in_other_usual_ways(tmp_path: Path, text: str) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/icustays": EHR["icu/icustays"].replace("2100-01-05 00:00:00", text, 1)})

    found = rows(stage(raw, tmp_path / "work" / "staging"), "stg_icustays", "stay_id, outtime")

    assert found[0][1].replace(microsecond=0) == datetime(2100, 1, 5)


@pytest.mark.parametrize(
    ("column", "value"), [("outtime", FOREVER), ("los", pa.array([float("inf")])), ("los", pa.array(["-inf"]))]
)
def test_parquet_value_without_end_is_named_with_its_row(tmp_path: Path, column: str, value: pa.Array) -> None:
    raw = write_ehr(tmp_path / "raw")
    file = raw / "icu" / "icustays.csv.gz"
    table = duckdb.sql(f"FROM read_csv('{file}') LIMIT 1").to_arrow_table()
    file.unlink()
    changed = table.set_column(table.schema.get_field_index(column), column, value)
    pq.write_table(changed, file.with_name("icustays.parquet"))

    with pytest.raises(RawDataError, match=rf"icustays\.parquet, row 1: .*column {column}, a "):
        stage(raw, tmp_path / "work")


def test_image_listed_twice_counts_once_and_one_listed_two_ways_is_refused(tmp_path: Path) -> None:
    raw = write_ehr(tmp_path / "raw")
    file = raw / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-metadata.csv.gz"
    first = CXR.splitlines()[1]
    write_gz(file, f"{CXR}{first}\n")

    staging = stage(raw, tmp_path / "work" / "twice")

    images = len(CXR.splitlines()) - 1
    assert rows(staging, "stg_cxr_metadata", "count(*)") == [(images,)]
    assert rows(staging, "reject", "source, rows_read, reason, rows") == [
        ("cxr_metadata", images + 1, "row repeated", 1)
    ]
    changed = ",".join([*first.split(",")[:-1], "1.0"])
    write_gz(file, f"{CXR}{changed}\n")
    with pytest.raises(RawDataError, match="1 dicom_id stand in several rows that differ"):
        stage(raw, tmp_path / "work" / "two-ways")
