"""Tables as .csv.gz, written piece by piece: one open gzip stream each, the published header first."""

import gzip
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import polars as pl

from medpatch.synthetic.state import read_parameter

COMPRESSION = 4
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


def published_columns() -> dict[str, list[str]]:
    """Table path without suffix, e.g. "mimiciv/hosp/patients" -> its columns in published order."""
    return {row["table"]: row["columns"].split("|") for row in read_parameter("column")}


class TableSink:
    """Open tables of one tree; use as a context manager. Same rows in, same bytes out."""

    def __init__(self, root: Path, tables: Iterable[str]) -> None:
        self._root = root
        columns = published_columns()
        self._columns = {name: columns[name] for name in tables}
        self._files: dict[str, tuple[BinaryIO, gzip.GzipFile]] = {}

    def __enter__(self) -> "TableSink":
        for name, columns in self._columns.items():
            path = self._root / f"{name}.csv.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            raw = path.open("wb")
            # no file name and no time in the header: bytes depend on the rows alone
            stream = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=COMPRESSION)
            stream.write((",".join(columns) + "\n").encode())
            self._files[name] = (raw, stream)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for raw, stream in self._files.values():
            stream.close()
            raw.close()

    def add(self, table: str, frame: pl.DataFrame) -> None:
        """Append rows; published columns that `frame` lacks stay empty.

        Raises:
            ValueError: the table is not open, or `frame` has a column the table does not have.
        """
        if table not in self._columns:
            raise ValueError(f"TableSink: table {table!r} is not open; open are {', '.join(self._columns)}")
        columns = self._columns[table]
        surplus = [name for name in frame.columns if name not in columns]
        if surplus:
            raise ValueError(f"{table}: columns {surplus} are not published columns; expected among {columns}")
        if frame.is_empty():
            return
        missing = [pl.lit(None, dtype=pl.String).alias(name) for name in columns if name not in frame.columns]
        text = frame.with_columns(missing).select(columns)
        self._files[table][1].write(
            text.write_csv(include_header=False, datetime_format=TIME_FORMAT, date_format="%Y-%m-%d").encode()
        )
