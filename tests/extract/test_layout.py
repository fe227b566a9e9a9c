"""The same rows in the layout of every release and in every kind of file give the same staged tables."""

import gzip
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from medpatch.extract.source import find_raw
from medpatch.extract.staging import build_staging

from .conftest import EHR, write_ehr
from .test_staging import rows

TABLES = ("patients", "admissions", "icustays", "diagnoses_icd", "chartevents", "labevents")


def without_column(text: str, column: str) -> str:
    lines = [line.split(",") for line in text.strip().split("\n")]
    place = lines[0].index(column)
    return "".join(",".join(fields[:place] + fields[place + 1 :]) + "\n" for fields in lines)


def with_column(text: str, column: str, *, before: str) -> str:
    lines = [line.split(",") for line in text.strip().split("\n")]
    place = lines[0].index(before)
    return "".join(
        ",".join([*fields[:place], column if n == 0 else f"P{n}", *fields[place:]]) + "\n"
        for n, fields in enumerate(lines)
    )


def release_1_0() -> dict[str, str | None]:
    """core/ with ethnicity, no provider and no caregiver columns."""
    admissions = without_column(EHR["hosp/admissions"], "admit_provider_id").replace("race", "ethnicity")
    return {
        "hosp/patients": None,
        "hosp/admissions": None,
        "core/patients": EHR["hosp/patients"],
        "core/admissions": admissions,
        "icu/chartevents": without_column(EHR["icu/chartevents"], "caregiver_id"),
    }


def release_2_0() -> dict[str, str | None]:
    """hosp/ with race, still without provider and caregiver columns."""
    return {
        "hosp/admissions": without_column(EHR["hosp/admissions"], "admit_provider_id"),
        "icu/chartevents": without_column(EHR["icu/chartevents"], "caregiver_id"),
    }


def release_2_2() -> dict[str, str | None]:
    """Provider and caregiver columns everywhere."""
    return {"hosp/admissions": with_column(EHR["hosp/admissions"], "discharge_location", before="race")}


def release_3() -> dict[str, str | None]:
    """The columns of 2.2 and patients of later years."""
    return {**release_2_2(), "hosp/patients": EHR["hosp/patients"].replace("3,M,16,2120,2008 - 2010", LATER)}


LATER = "3,M,16,2120,2020 - 2022"
RELEASES: dict[str, tuple[Callable[[], dict[str, str | None]], str]] = {
    "1.0": (release_1_0, "1.0"),
    "2.0": (release_2_0, "2.0"),
    "2.2": (release_2_2, "2.2"),
    "3.0": (release_3, "3.1"),  # alike in files and columns; told apart by the folder's name
    "3.1": (release_3, "3.1"),
}


def repack(folder: Path, suffix: str) -> None:
    """Every .csv.gz below the folder as another kind of file."""
    for file in folder.rglob("*.csv.gz"):
        if suffix == ".csv":
            file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        if suffix == ".parquet":
            target = file.with_name(file.name.replace(".csv.gz", ".parquet"))
            duckdb.sql(f"COPY (FROM read_csv('{file}', sample_size = -1)) TO '{target}'")
        if suffix != ".csv.gz":
            file.unlink()


def everything(staging: Path) -> dict[str, list[tuple]]:
    return {table: sorted(rows(staging, f"stg_{table}", "*"), key=repr) for table in TABLES}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple]]:
    folder = tmp_path_factory.mktemp("expected")
    write_ehr(folder / "raw")
    build_staging(find_raw(folder / "raw"), folder / "staging", inputs="raw")
    return everything(folder / "staging")


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv", ".parquet"])
@pytest.mark.parametrize("release", RELEASES)
def test_release_is_told_and_gives_the_same_tables(
    tmp_path: Path, expected: dict[str, list[tuple]], release: str, suffix: str
) -> None:
    changes, found = RELEASES[release]
    write_ehr(tmp_path / "raw", changes())
    repack(tmp_path / "raw", suffix)

    source = find_raw(tmp_path / "raw")
    build_staging(source, tmp_path / "staging", inputs="raw")

    assert source.release == found
    assert everything(tmp_path / "staging") == expected
