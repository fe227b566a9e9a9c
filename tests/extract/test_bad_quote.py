"""Quotes, line ends and texts over several lines: nothing is lost, whoever wrote the file."""

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from medpatch.config.error import RawDataError

from .conftest import EHR, RADIOLOGY, write_ehr, write_gz
from .test_staging import rows, stage

SHORT = ["hosp/patients", "hosp/admissions", "icu/icustays", "hosp/diagnoses_icd", "hosp/d_icd_diagnoses"]
LONG = ["icu/chartevents", "hosp/labevents"]


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("place", [*SHORT, *LONG])
def test_quote_that_is_never_closed_stops_the_run_at_its_line(
    tmp_path: Path, leftovers: Callable[[], list[str]], place: str, is_packed: bool, is_last: bool
) -> None:
    lines = EHR[place].splitlines()
    number = len(lines) - 1 if is_last else 1
    within_texts = sum(part.count("\n") for part in "\n".join(lines[:number]).split('"')[1::2])
    line = number + 1 - within_texts
    fields = lines[number].split(",")
    lines[number] = ",".join([*fields[:-1], f'"{fields[-1]}'])
    packed = write_ehr(tmp_path / "raw") / f"{place}.csv.gz"
    text = "\n".join(lines) + "\n"
    if is_packed:
        write_gz(packed, text)
    else:
        packed.unlink()
        packed.with_suffix("").write_text(text)

    with pytest.raises(RawDataError, match=rf"{place}\.csv.*, line {line} .*quoted text is not closed"):
        stage(tmp_path / "raw", tmp_path / "work" / "staging")

    assert leftovers() == []


@pytest.mark.parametrize("place", [*SHORT, *LONG])
def test_comma_that_moves_the_fields_of_one_row_stops_the_run_at_its_line(
    tmp_path: Path, leftovers: Callable[[], list[str]], place: str
) -> None:
    lines = EHR[place].splitlines()
    lines[-1] += ","  # a reader may take the empty field at the end for nothing and the row for whole
    line = len(lines) - sum(part.count("\n") for part in "\n".join(lines).split('"')[1::2])
    raw = write_ehr(tmp_path / "raw", {place: "\n".join(lines) + "\n"})

    with pytest.raises(
        RawDataError, match=rf"{place}\.csv\.gz, line {line} .*another number of fields than the header has"
    ):
        stage(raw, tmp_path / "work" / "staging")

    assert leftovers() == []


@pytest.mark.parametrize("inside", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_end_inside_a_note_is_kept_whatever_the_lines_of_the_file_end_in(
    raw_dir: Path, tmp_path: Path, inside: str, line_end: str
) -> None:
    table = list(csv.reader(io.StringIO(RADIOLOGY)))
    place = table[0].index("text")
    texts = [f'first {i}{inside}{inside}"second", third{inside}' for i in range(1, len(table))]
    for row, text in zip(table[1:], texts, strict=True):
        row[place] = text
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=line_end).writerows(table)
    file = raw_dir / "mimic-iv-note" / "note" / "radiology.csv.gz"
    file.write_bytes(gzip.compress(out.getvalue().encode()))

    staged = rows(stage(raw_dir, tmp_path / "work"), "stg_radiology", "file_order, text")

    assert [text for _, text in sorted(staged)] == texts


def test_files_whose_lines_end_in_carriage_returns_give_the_same_tables(tmp_path: Path) -> None:
    names = [place.rpartition("/")[2] for place in (*SHORT, *LONG)]
    plain = stage(write_ehr(tmp_path / "raw"), tmp_path / "plain")
    other = stage(
        write_ehr(tmp_path / "crlf", {p: t.replace("\n", "\r\n") for p, t in EHR.items()}), tmp_path / "other"
    )

    for name in names:
        assert rows(plain, f"stg_{name}", "*") == rows(other, f"stg_{name}", "*")


def test_lines_that_end_in_bare_carriage_returns_are_refused(tmp_path: Path) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/icustays": EHR["icu/icustays"].replace("\n", "\r")})

    with pytest.raises(RawDataError, match=r"icustays\.csv\.gz: .*bare carriage return"):
        stage(raw, tmp_path / "work")


def test_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/icustays": EHR["icu/icustays"].replace("first_careunit,", "los,", 1)})

    with pytest.raises(RawDataError, match=r"icustays\.csv\.gz: column los stands in the first line more than once"):
        stage(raw, tmp_path / "work")


def test_short_file_with_a_wrong_sum_is_refused(tmp_path: Path) -> None:
    file = write_ehr(tmp_path / "raw") / "hosp" / "diagnoses_icd.csv.gz"
    packed = bytearray(file.read_bytes())
    packed[-8] ^= 255
    file.write_bytes(packed)

    with pytest.raises(RawDataError, match=r"diagnoses_icd\.csv\.gz: the gzip stream is damaged"):
        stage(tmp_path / "raw", tmp_path / "work")
