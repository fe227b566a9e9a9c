"""DuckDB in this process: one throw-away database per build, and its errors in our words."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from medpatch.config.error import MedPatchError, RawDataError, ResourceError
from medpatch.contract.disk import full_disk, is_full
from medpatch.extract.register import CELL_ERROR

DEFAULT_MEMORY = "2GB"
_PREFIX = ".extract-"
_OWNER = "owner"
_LINE = re.compile(r"CSV Error on Line: (\d+)")
_CELL = re.compile(rf"{CELL_ERROR} (\d+) (\S+) (\w+)")
_KINDS = (
    ("Unexpected end of GZIP", "the gzip stream ends too early: the file is truncated"),
    ("GZIP", "the gzip stream is damaged"),
    ("unterminated quote", "a quoted text is not closed, or text follows its closing quote"),
    ("Expected Number of Columns", "another number of fields than the header has"),
    ("unicode", "bytes that are not UTF-8"),
    ("Maximum line size", "a line longer than the reader's limit; probably a quote that is not closed"),
    ("arquet", "not a whole Parquet file"),
)
_CELL_KINDS = {
    "BIGINT": "a value of another type in column {column}, a whole number was expected",
    "DOUBLE": "a value of another type in column {column}, a number was expected",
    "TIMESTAMP": "a value of another type in column {column}, a time such as 2150-01-31 08:15:00 was expected",
    "zone": "a time with a time zone in column {column}, MIMIC's times have none",
}
_SPILL_FULL = ("max_temp_directory_size", "failed to offload")


@contextmanager
def scratch_database(near: Path, *, memory_limit: str = DEFAULT_MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a new database in memory that spills to a hidden folder in `near`, removed at the end.

    What `memory_limit` ("2GB") does not hold goes there, tables as well as sorts: rows that fit are neither compressed
    nor written. Folders that a killed process left behind are removed too.

    Raises:
        ResourceError: the disk of `near` is full, or memory does not suffice.
    """
    near.mkdir(parents=True, exist_ok=True)
    _sweep(near)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=near))
    try:
        # the kernel lets go of the lock when this process ends, however it ends
        with (folder / _OWNER).open("w") as owner, full_disk_named(near):
            fcntl.flock(owner, fcntl.LOCK_EX)
            connection = duckdb.connect(
                ":memory:",
                config={
                    "memory_limit": memory_limit,
                    "temp_directory": str(folder / "spill"),
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                },
            )
            try:
                yield connection
            finally:
                connection.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Errors of a full disk or of too little memory as one that says where and what to do.

    Raises:
        ResourceError: in their place.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ResourceError(
            f"{folder}: the database needs more memory than its limit and could not move all of it to disk; free "
            "disk space there, or raise the memory limit"
        ) from error
    except Exception as error:  # Polars has no class of its own for it
        if not is_full(error, *_SPILL_FULL):
            raise
        raise full_disk(folder, error) from error


def raw_error(error: duckdb.Error, file: Path, *, first_line: int = 1) -> MedPatchError:
    """What DuckDB found wrong in a raw file, with its line but without the content of the line.

    Args:
        error: as raised.
        file: the raw file.
        first_line: line of the file that DuckDB was given as the first, header or record.

    Raises:
        duckdb.Error: the same, where it is the disk or the memory that did not suffice (see `full_disk_named`).
    """
    if isinstance(error, duckdb.OutOfMemoryException) or is_full(error, *_SPILL_FULL):
        raise error
    message = str(error)
    cell, line = _CELL.search(message), _LINE.search(message)
    if cell is not None:
        is_piece = first_line > 1
        number = int(cell.group(1)) + first_line - is_piece
        what = _CELL_KINDS[cell.group(3)].format(column=cell.group(2))
    else:
        number = None if line is None else int(line.group(1)) + first_line - 1
        what = next((text for key, text in _KINDS if key in message), "not readable")
    where = "" if number is None else f", line {number} (a text over several lines counts as one)"
    if file.suffix == ".parquet" and cell is not None:
        where = f", row {cell.group(1)}"
    return RawDataError(f"{file}{where}: {what}; download the file again or correct that line")


def _sweep(near: Path) -> None:
    """Remove the folders of processes that are gone."""
    for folder in near.glob(f"{_PREFIX}*"):
        try:
            with (folder / _OWNER).open("r+") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use, or being made this moment
            continue


def free_threads() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
