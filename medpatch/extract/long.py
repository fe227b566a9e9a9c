"""Long tables (events, notes) to Parquet piece by piece, several pieces at once, memory independent of length."""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.error import RawDataError
from medpatch.extract.connect import free_threads, raw_error
from medpatch.extract.header import read_header
from medpatch.extract.layer import SqlFile
from medpatch.extract.piece import Piece, read_pieces
from medpatch.extract.raw_table import RAW_TABLES, RawTable
from medpatch.extract.register import empty_query, literal, strict_query
from medpatch.extract.regular import RegularReader, RegularRows

logger = logging.getLogger(__name__)

MOST_WORKERS = 4
"""Pieces in work at once, at most; each takes about 0.15 GB."""


@dataclass(frozen=True)
class _Work:
    """What a worker needs to know of the file.

    Attributes:
        connection: each piece works on a cursor of it.
        sql: the staging query.
        own: the raw file.
        table: its description.
        header: its columns.
        quick: reader for pieces in which nothing is unusual, None for notes.
        folder: of the parts.
    """

    connection: duckdb.DuckDBPyConnection
    sql: SqlFile
    own: Path
    table: RawTable
    header: list[str]
    quick: RegularReader | None
    folder: Path

    @property
    def name(self) -> str:
        """Of the raw table."""
        return self.sql.name.removeprefix("stg_")

    def part(self, number: int) -> Path:
        """File of a piece."""
        return self.folder / f"{number:05d}.parquet"


def stage_in_pieces(
    connection: duckdb.DuckDBPyConnection,
    sql: SqlFile,
    *,
    folder: Path,
    own: Path,
    advance: Callable[[int], None],
) -> tuple[int, int]:
    """Write the table as parts of a folder, in the order of the file; rows read, rows kept.

    Args:
        connection: knows the seeds.
        sql: the staging query; it reads raw_<table> and seeds row by row, and may number rows in file_order.
        folder: of the parts, made here.
        own: the raw file, .csv or .csv.gz.
        advance: told the bytes of the file that are done.

    Raises:
        RawDataError: the file cannot be parsed; names the line.
    """
    name = sql.name.removeprefix("stg_")
    table, header = RAW_TABLES[name], read_header(own)
    quick = _regular_reader(connection, table, name=name, header=header) if table.is_event else None
    work = _Work(connection, sql, own, table, header, quick, folder)
    folder.mkdir()
    rows_in = rows_kept = null_bytes = 0
    waiting: deque[tuple[Piece, Future[int]]] = deque()

    def finish() -> None:
        nonlocal rows_in, rows_kept, null_bytes
        piece, future = waiting.popleft()
        rows_kept += future.result()
        rows_in += piece.records
        null_bytes += piece.null_bytes
        advance(piece.read_bytes)

    workers = min(free_threads(), MOST_WORKERS)
    with ThreadPoolExecutor(workers) as pool:
        try:
            for piece in read_pieces(own):
                waiting.append((piece, pool.submit(_stage_piece, work, piece)))
                if len(waiting) > workers:
                    finish()
            while waiting:
                finish()
        finally:
            for _, future in waiting:
                future.cancel()
    if null_bytes:
        logger.warning("%s: %d NUL bytes were taken out of its text", own, null_bytes)
    if rows_in == 0:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMP VIEW raw_{name} AS {empty_query(table)}")
            _write(cursor, work, number=0, file_order=0)
    return rows_in, rows_kept


def _regular_reader(
    connection: duckdb.DuckDBPyConnection, table: RawTable, *, name: str, header: list[str]
) -> RegularReader:
    mapped = connection.execute("SELECT itemid FROM ehr_itemid WHERE source_table = ?", [name]).fetchall()
    selected = connection.execute("SELECT itemid FROM ehr_selected_itemid").fetchall()
    return RegularReader(table, header, [i for (i,) in mapped], [i for (i,) in selected])


def _stage_piece(work: _Work, piece: Piece) -> int:
    """Rows kept of one piece."""
    quick = None if work.quick is None else work.quick.read(piece)
    return _stage_strictly(work, piece) if quick is None else _stage_regular(work, piece, rows=quick)


def _stage_regular(work: _Work, piece: Piece, *, rows: RegularRows) -> int:
    """Rows of mapped items as they are, which is what the query makes of them; the others by the query."""
    kept = rows.mapped.to_arrow().cast(work.table.arrow_schema)
    if rows.others.height:
        with work.connection.cursor() as cursor:
            cursor.register("cells", rows.others.to_arrow())
            cursor.execute(f"CREATE TEMP VIEW raw_{work.name} AS FROM cells")
            others = cursor.sql(work.sql.text).to_arrow_table()
        kept = pa.concat_tables([kept, others.cast(kept.schema)])
    pq.write_table(kept, work.part(piece.number), compression="zstd", write_statistics=False)
    return kept.num_rows


def _stage_strictly(work: _Work, piece: Piece) -> int:
    """The same for rows that the quick reader is not sure of, and for notes."""
    with work.connection.cursor() as cursor:
        file = work.folder.parent / f".{work.sql.name}.{piece.number}.csv"
        file.write_bytes(piece.data)
        try:
            query = strict_query(file, work.table, header=work.header, has_header=False)
            cursor.execute(f"CREATE TEMP TABLE cells AS {query}")
            ((read,),) = cursor.execute("SELECT count(*) FROM cells").fetchall()
            if read != piece.records:
                raise RawDataError(
                    f"{work.own}, from line {piece.first_line} on (a text over several lines counts as one): "
                    f"{piece.records} records, {read} were read; a quoted text is not closed"
                )
            cursor.execute(f"CREATE TEMP VIEW raw_{work.name} AS FROM cells")
            return _write(cursor, work, number=piece.number, file_order=piece.first_record)
        except duckdb.Error as error:
            # the cause quotes the row, which may be a note
            raise raw_error(error, work.own, first_line=piece.first_line) from None
        finally:
            file.unlink()


def _write(cursor: duckdb.DuckDBPyConnection, work: _Work, *, number: int, file_order: int) -> int:
    """Rows of a part, which is written from `raw_<table>` as the cursor knows it."""
    columns = f"* REPLACE (file_order + {file_order} AS file_order)" if work.table.is_note else "*"
    ((rows,),) = cursor.execute(
        f"COPY (SELECT {columns} FROM ({work.sql.text})) TO {literal(work.part(number))} "
        "(FORMAT parquet, COMPRESSION zstd)"
    ).fetchall()
    return rows
