"""The first line of a raw file, checked before anything else is read."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.error import RawDataError
from medpatch.extract.raw_table import RawTable

LONGEST_HEADER = 2**16
RELEASES = {"ehr": "MIMIC-IV 1.0 to 3.1", "cxr": "MIMIC-CXR-JPG 2.0.0", "note": "MIMIC-IV-Note 2.2"}
"""Data set -> what its columns are known from."""


def read_header(file: Path) -> list[str]:
    """Column names of a CSV, CSV.gz or Parquet file.

    Raises:
        RawDataError: the file is empty, truncated, or not of the kind its suffix says.
    """
    if file.stat().st_size == 0:
        raise RawDataError(f"{file}: the file is empty (0 bytes); download it again")
    with named_errors(file):
        if file.suffix == ".parquet":
            return pq.read_schema(file).names
        with open_csv(file) as stream:
            line = stream.readline(LONGEST_HEADER)
    try:
        names = next(csv.reader([line.decode("utf-8-sig", errors="replace").strip()]), [])
    except csv.Error as error:
        raise RawDataError(
            f"{file}: the first line holds a bare carriage return, expected lines that end in a line feed; download it "
            "again or convert its line ends"
        ) from error
    if not names:
        raise RawDataError(f"{file}: the first line is blank, expected column names; download it again")
    return names


def has_value(file: Path, column: str, *, value: str) -> bool:
    """True if a row of a small file holds the value; in a CSV, in any column.

    Raises:
        RawDataError: the file is truncated.
    """
    with named_errors(file):
        if file.suffix == ".parquet":
            return (
                column in pq.read_schema(file).names
                and value in pq.read_table(file, columns=[column])[column].unique().cast(pa.string()).to_pylist()
            )
        with open_csv(file) as stream:
            return any(value.encode() in line for line in stream)


def open_csv(file: Path) -> BinaryIO:
    """A CSV or CSV.gz as bytes."""
    return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")


def check_columns(file: Path, table: RawTable, *, found: list[str]) -> None:
    """Refuse a file that lacks a column, under its name or that of an older release, or has one twice.

    Raises:
        RawDataError: names the file, the columns and what was found.
    """
    repeated = sorted({name for name in found if found.count(name) > 1})
    if repeated:
        raise RawDataError(
            f"{file}: column {', '.join(repeated)} stands in the first line more than once, expected each name once: "
            "remove what is not MIMIC's"
        )
    missing = [c for c in table.columns if c not in found and table.renamed.get(c) not in found]
    if missing:
        wanted = ", ".join(f"{c} ({table.renamed[c]} in release 1.0)" if c in table.renamed else c for c in missing)
        raise RawDataError(
            f"{file}: column {wanted} is absent; found {', '.join(found[:20])}; expected the columns of "
            f"{RELEASES[table.dataset]}: compare with the release you downloaded"
        )


@contextmanager
def named_errors(file: Path) -> Iterator[None]:
    """Errors of reading a raw file as a RawDataError that names it."""
    try:
        yield
    except (EOFError, zlib.error) as error:
        raise RawDataError(f"{file}: the gzip stream is truncated or damaged; download it again") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise RawDataError(f"{file}: not a readable {''.join(file.suffixes[-2:])} file; download it again") from error
