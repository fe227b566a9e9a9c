"""Raw files that are not as published: each has one clear outcome, and nothing half-written stays."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpatch.config.error import RawDataError
from medpatch.config.preset import phenotyping
from medpatch.extract.piece import Piece
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw

from .conftest import EHR, RADIOLOGY, write_ehr, write_gz
from .test_staging import rows, stage

FIRST = {name: text.split("\n")[1] for name, text in EHR.items()}
HEADER = {name: text.split("\n")[0] for name, text in EHR.items()}


def with_rows(name: str, *lines: str) -> dict[str, str]:
    return {name: EHR[name] + "".join(f"{line}\n" for line in lines)}


def stage_changed(tmp_path: Path, changes: dict[str, str]) -> Path:
    write_ehr(tmp_path / "raw", changes)
    return stage(tmp_path / "raw", tmp_path / "work" / "staging")


@pytest.mark.parametrize(
    ("place", "old", "new", "message"),
    [
        ("icu/icustays", ",2100-01-02 00", ",2100-01-02 00:00:00+02:00,x", "another number of fields"),
        ("icu/icustays", "2100-01-02 00:00:00", "2100-01-02 00:00:00+02:00", r"line 2 .*time zone in column intime"),
        ("icu/icustays", "2110-01-02 00:00:00", "2110-01-02T00:00:00Z", r"line 3 .*time zone in column intime"),
        ("icu/chartevents", "2110-01-02 02:00:00", "2110-01-02 02:00:00-05", r"line 6 .*time zone in column charttime"),
        ("hosp/admissions", "2100-01-08 17:00:00", "8 Jan", r"line 2 .*another type in column deathtime"),
        ("hosp/patients", "1,F,50", "1,F,50.5", r"line 2 .*another type in column anchor_age"),
        ("icu/icustays", ",3\n", ",3 days\n", r"line 2 .*another type in column los"),
        ("hosp/diagnoses_icd", "2,20,1", "2,B0,1", r"line 3 .*another type in column hadm_id"),
        ("icu/chartevents", ",101,101,", ",101,1O1,", r"line 5 .*another type in column valuenum"),
        ("icu/chartevents", ",101,101,", ",101,1_01,", r"line 5 .*another type in column valuenum"),
        ("hosp/diagnoses_icd", "2,20,1", "2,2_0,1", r"line 3 .*another type in column hadm_id"),
        ("icu/chartevents", ",88,88,", ",\udcff,88,", r"line 2 .*not UTF-8"),
        ("hosp/admissions", "ASIAN - KOREAN", "ASIAN \udcff", r"line 3 .*not UTF-8"),
        ("hosp/admissions", "ASIAN - KOREAN", '"ASIAN" - KOREAN', r"line 3 .*quoted text is not closed"),
    ],
)
def test_cell_of_another_kind_is_named_with_file_line_and_column(
    tmp_path: Path, place: str, old: str, new: str, message: str
) -> None:
    file = write_ehr(tmp_path / "raw") / f"{place}.csv.gz"
    file.unlink()
    file.with_suffix("").write_bytes(EHR[place].replace(old, new).encode(errors="surrogateescape"))

    with pytest.raises(RawDataError, match=rf"{Path(place).name}\.csv.*{message}"):
        stage(tmp_path / "raw", tmp_path / "work" / "staging")

    assert list((tmp_path / "work").iterdir()) == []


def test_line_of_a_later_piece_counts_from_the_top_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medpatch.extract.piece.read_pieces.__kwdefaults__", {"piece_bytes": 100}, raising=False)
    changed = EHR["icu/chartevents"].replace("2110-01-02 02:00:00", "2 o'clock")

    with pytest.raises(RawDataError, match=r"line 6 .*another type in column charttime"):
        stage_changed(tmp_path, {"icu/chartevents": changed})


@pytest.mark.parametrize("number", ["12.0", " 12 ", "12"])
def test_whole_number_may_be_written_as_pandas_writes_it(tmp_path: Path, number: str) -> None:
    changed = EHR["hosp/admissions"].replace("1,10,", f"1,{number},")

    assert rows(stage_changed(tmp_path, {"hosp/admissions": changed}), "stg_admissions", "hadm_id")[0] == (12,)


@pytest.mark.parametrize("name", ["hosp/patients", "hosp/admissions", "icu/icustays"])
def test_repeated_row_counts_once_and_is_accounted_for(tmp_path: Path, name: str) -> None:
    staging = stage_changed(tmp_path, with_rows(name, FIRST[name], FIRST[name]))
    table = Path(name).name

    assert rows(staging, f"stg_{table}", "count(*)") == [(3,)]
    assert rows(staging, "reject", "source, file, rows_read, reason, rows") == [
        (table, f"{name}.csv.gz", 5, "row repeated", 2)
    ]
    assert (table, 5, 3) in rows(staging, "stg_row_count", "source, rows_in, rows_kept")


def test_row_without_key_is_set_aside_and_accounted_for(tmp_path: Path) -> None:
    lines = (",M,40,2100,2008 - 2010,", FIRST["hosp/patients"])

    staging = stage_changed(tmp_path, with_rows("hosp/patients", *lines))

    assert rows(staging, "reject", "reason, rows") == [("key missing", 1), ("row repeated", 1)]
    assert rows(staging, "stg_patients", "subject_id") == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("hosp/patients", "1,M,50,2100,2008 - 2010,", r"1 subject_id stand in several rows .*first subject_id 1\)"),
        ("icu/icustays", FIRST["icu/icustays"].replace("1,10,", "1,11,"), r"first stay_id 100\)"),
        ("hosp/admissions", FIRST["hosp/admissions"].replace("1,10,", "2,10,"), r"first hadm_id 10\)"),
    ],
)
def test_rows_that_share_a_key_and_differ_are_refused(
    tmp_path: Path, leftovers: Callable[[], list[str]], name: str, line: str, message: str
) -> None:
    with pytest.raises(RawDataError, match=message):
        stage_changed(tmp_path, with_rows(name, line))

    assert leftovers() == []


def test_note_with_null_bytes_keeps_its_text(raw_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_gz(raw_dir / "mimic-iv-note" / "note" / "radiology.csv.gz", RADIOLOGY.replace("clear", "cle\0ar\0"))

    staged = rows(stage(raw_dir, tmp_path / "work"), "stg_radiology", "text")

    assert staged[0] == ('EXAM: chest\n"portable"\nIMPRESSION: clear, no effusion',)
    assert "2 NUL bytes" in caplog.text


def test_note_that_is_not_utf8_is_named_with_its_line_and_without_its_text(raw_dir: Path, tmp_path: Path) -> None:
    file = raw_dir / "mimic-iv-note" / "note" / "radiology.csv"
    file.with_suffix(".csv.gz").unlink()
    file.write_bytes(RADIOLOGY.replace("clear", "cl\udce9ar").encode(errors="surrogateescape"))

    with pytest.raises(RawDataError, match=r"radiology\.csv, line 2 .*not UTF-8") as raised:
        stage(raw_dir, tmp_path / "work" / "staging")

    assert "effusion" not in str(raised.value)
    assert list((tmp_path / "work").iterdir()) == []


def test_notes_in_several_pieces_keep_the_order_of_the_file(
    raw_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f'{i}-RR-1,1,10,RR,1,2100-01-02 09:30:00,,"report {i}\n""{i}"""\n' for i in range(200)]
    write_gz(raw_dir / "mimic-iv-note" / "note" / "radiology.csv.gz", RADIOLOGY.split("\n")[0] + "\n" + "".join(lines))
    monkeypatch.setattr("medpatch.extract.piece.read_pieces.__kwdefaults__", {"piece_bytes": 500}, raising=False)

    staging = stage(raw_dir, tmp_path / "work")

    assert rows(staging, "stg_radiology", "file_order, note_id, text") == [
        (i + 1, f"{i}-RR-1", f'report {i}\n"{i}"') for i in range(200)
    ]
    assert len(list((staging / "stg_radiology").iterdir())) > 5


def test_reader_that_loses_a_note_is_caught(raw_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medpatch.extract.piece.survey", lambda *_: (3, True))

    with pytest.raises(RawDataError, match=r"\.csv\.gz, from line 2 on .*3 records end there and \d were read"):
        stage(raw_dir, tmp_path / "work")


def test_other_long_file_is_not_read_to_its_end_once_one_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def pieces(file: Path) -> Iterator[Piece]:
        if file.name.startswith("labevents"):
            raise RawDataError("labevents is broken")
        for number in range(1000):
            read.append(number)
            yield Piece(number, b"", number, 0, is_even=True, read_bytes=number, null_bytes=0)
            time.sleep(0.01)

    monkeypatch.setattr("medpatch.extract.long.read_pieces", pieces)
    monkeypatch.setattr("medpatch.extract.long._stage_piece", lambda *_: 0)

    with pytest.raises(RawDataError, match="labevents is broken"):
        stage_changed(tmp_path, {})

    assert len(read) < 500
    assert list((tmp_path / "work").iterdir()) == []


def test_parquet_time_with_a_zone_is_refused(tmp_path: Path) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/icustays": None})
    table = pa.table(
        {
            **{name: [1] for name in ("subject_id", "hadm_id", "stay_id", "los")},
            **{name: ["MICU"] for name in ("first_careunit", "last_careunit")},
            "intime": pa.array([datetime(2100, 1, 2, tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
            "outtime": [datetime(2100, 1, 5)],
        }
    )
    pq.write_table(table, raw / "icu" / "icustays.parquet")

    with pytest.raises(RawDataError, match=r"icustays\.parquet: column intime has the time zone UTC"):
        stage(raw, tmp_path / "work")


@pytest.mark.parametrize(
    ("name", "column", "value", "message"),
    [
        ("hosp/diagnoses_icd", "hadm_id", pa.array([10.5, 20.0, 30.0]), r"row 1: .*another type in column hadm_id"),
        ("hosp/patients", "subject_id", pa.array(["1", "two", "3"]), r"row 2: .*another type in column subject_id"),
    ],
)
def test_parquet_cell_of_another_kind_is_named_with_its_row(
    tmp_path: Path, name: str, column: str, value: pa.Array, message: str
) -> None:
    raw = write_ehr(tmp_path / "raw")
    file = raw / f"{name}.csv.gz"
    table = duckdb.sql(f"FROM read_csv('{file}')").to_arrow_table()
    file.unlink()
    pq.write_table(table.set_column(table.schema.get_field_index(column), column, value), raw / f"{name}.parquet")

    with pytest.raises(RawDataError, match=message):
        stage(raw, tmp_path / "work")


def test_parquet_cut_short_is_named(tmp_path: Path) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/chartevents": None})
    file = raw / "icu" / "chartevents.parquet"
    rows_file = write_gz(tmp_path / "elsewhere.csv.gz", EHR["icu/chartevents"])
    duckdb.sql(f"COPY (FROM read_csv('{rows_file}')) TO '{file}'")
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(RawDataError, match=r"chartevents\.parquet"):
        stage(raw, tmp_path / "work")


def test_header_alone_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"chartevents\.csv\.gz: a header and no rows"):
        stage_changed(tmp_path, {"icu/chartevents": HEADER["icu/chartevents"] + "\n"})


def test_stay_without_admission_is_lost_at_its_criterion_and_rejects_reach_the_account(tmp_path: Path) -> None:
    orphan = "4,40,400,MICU,MICU,2130-01-02 00:00:00,2130-01-05 00:00:00,3"
    write_ehr(tmp_path / "raw", with_rows("icu/icustays", orphan, FIRST["icu/icustays"]))

    report = build_warehouse(find_raw(tmp_path / "raw"), phenotyping(), out_dir=tmp_path / "out", inputs="raw")

    stays = pl.read_parquet(tmp_path / "out" / "stay_criterion.parquet").select("stay_id", "has_admission").rows()
    assert sorted(stays) == [(100, True), (200, True), (300, True), (400, False)]
    assert 400 not in pl.read_parquet(tmp_path / "out" / "stay.parquet")["stay_id"]
    account = next(a for a in report.accounts if a.source == "icustays")
    assert (account.rows_in, account.rows_kept) == (5, 4)
