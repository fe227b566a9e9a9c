"""DuckDB in this process: one throw-away database per build, and its errors in our words."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from medpatch.config.error import RawDataError

DEFAULT_MEMORY = "2GB"
_LINE = re.compile(r"CSV Error on Line: (\d+)")
_COLUMN = re.compile(r'converting column "([^"]+)"')
_KINDS = (
    ("Unexpected end of GZIP", "the gzip stream ends too early: the file is truncated"),
    ("GZIP", "the gzip stream is damaged"),
    ("unterminated quote", "a quoted text is not closed, or text follows its closing quote"),
    ("Expected Number of Columns", "another number of fields than the header has"),
    ("unicode", "bytes that are not UTF-8"),
    ("Maximum line size", "a line longer than the reader's limit; probably a quote that is not closed"),
    ("Could not convert", "a value of another type"),
    ("arquet", "not a whole Parquet file"),
)


@contextmanager
def scratch_database(near: Path, *, memory_limit: str = DEFAULT_MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a new database on disk in a hidden folder in `near`, removed at the end.

    Tables and spilled data go there, so that memory stays below `memory_limit` ("2GB").
    """
    near.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".extract-", dir=near))
    try:
        connection = duckdb.connect(
            str(folder / "scratch.duckdb"),
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


def raw_error(error: duckdb.Error, file: Path) -> RawDataError:
    """What DuckDB found wrong in a raw file, with its line but without the content of the line."""
    message = str(error)
    what = next((text for key, text in _KINDS if key in message), "not readable")
    line, column = _LINE.search(message), _COLUMN.search(message)
    where = f", line {line.group(1)} (a text over several lines counts as one)" if line else ""
    which = f" in column {column.group(1)}" if column else ""
    return RawDataError(f"{file}{where}: {what}{which}; download the file again or correct that line")
