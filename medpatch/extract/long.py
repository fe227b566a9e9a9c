"""Long tables (events, notes) to Parquet piece by piece, several pieces at once, memory independent of length."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from medpatch.config.error import RawDataError
from medpatch.extract.connect import free_threads, raw_error
from medpatch.extract.header import read_header
from medpatch.extract.layer import SqlFile
from medpatch.extract.piece import Piece, check_fields, lost_records, name_null_bytes, read_pieces
from medpatch.extract.raw_table import RAW_TABLES, RawTable
from medpatch.extract.register import empty_query, literal, strict_query
from medpatch.extract.regular import RegularReader, RegularRows

MOST_WORKERS = 4
"""Pieces in work at once, at most, over all files; each takes about 0.15 GB."""
MOST_TEXTS = 10_000
"""Texts remembered per file."""
ID_COLUMNS = frozenset({"subject_id", "hadm_id", "stay_id"})
"""What a trace consists of."""


@dataclass(frozen=True)
class Workers:
    """The threads that all files share.

    Attributes:
        pool: works on pieces.
        count: threads of the pool; each file has one piece more in work or waiting, at most.
        is_over: set once a table has failed, so that the others stop after the piece they read.
    """

    pool: ThreadPoolExecutor
    count: int
    is_over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def open_workers() -> Iterator[Workers]:
    """As many threads as there are cores, up to `MOST_WORKERS`."""
    count = min(free_threads(), MOST_WORKERS)
    with ThreadPoolExecutor(count) as pool:
        yield Workers(pool, count)


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
        traced: texts of unmapped items met so far -> True if the query keeps a trace of them.
    """

    connection: duckdb.DuckDBPyConnection
    sql: SqlFile
    own: Path
    table: RawTable
    header: list[str]
    quick: RegularReader | None
    folder: Path
    traced: dict[str, bool] = field(default_factory=dict)

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
    workers: Workers,
    advance: Callable[[int], None],
) -> tuple[int, int]:
    """Write the table as parts of a folder, in the order of the file; rows read, rows kept.

    Args:
        connection: knows the seeds; used from this thread and from those of the workers.
        sql: the staging query; it reads raw_<table> and seeds row by row, and may number rows in file_order.
        folder: of the parts, made here.
        own: the raw file, .csv or .csv.gz.
        workers: shared with the files that are read at the same time.
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

    try:
        for piece in read_pieces(own):
            if workers.is_over.is_set():
                break
            waiting.append((piece, workers.pool.submit(_stage_piece, work, piece)))
            if len(waiting) > workers.count:
                finish()
        while waiting:
            finish()
    finally:
        for _, future in waiting:
            future.cancel()
    name_null_bytes(own, null_bytes)
    if rows_in == 0:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMP VIEW raw_{name} AS {empty_query(table)}")
            _write(cursor, work, number=0, file_order=0)
    return rows_in, rows_kept


def _regular_reader(
    connection: duckdb.DuckDBPyConnection, table: RawTable, *, name: str, header: list[str]
) -> RegularReader:
    with connection.cursor() as cursor:
        mapped = cursor.execute("SELECT itemid FROM ehr_itemid WHERE source_table = ?", [name]).fetchall()
        selected = cursor.execute("SELECT itemid FROM ehr_selected_itemid").fetchall()
    return RegularReader(table, header, [i for (i,) in mapped], [i for (i,) in selected])


def _stage_piece(work: _Work, piece: Piece) -> int:
    """Rows kept of one piece."""
    quick = None if work.quick is None else work.quick.read(piece)
    return _stage_strictly(work, piece) if quick is None else _stage_regular(work, piece, rows=quick)


def _stage_regular(work: _Work, piece: Piece, *, rows: RegularRows) -> int:
    """Rows of mapped items as they are, which is what the query makes of them, and the traces of the others."""
    kept = pl.concat([rows.mapped, _traces(work, rows.others)]) if rows.others.height else rows.mapped
    kept.write_parquet(work.part(piece.number), compression="zstd", compression_level=1, statistics=False)
    return kept.height


def _traces(work: _Work, others: pl.DataFrame) -> pl.DataFrame:
    """The ids of the rows of which the query keeps a trace; it is asked once for each text."""
    texts = others["value"].unique().to_list()
    answers = {text: work.traced.get(text) for text in texts}
    unknown = [text for text, answer in answers.items() if answer is None]
    if unknown:
        new = _ask(work, unknown, itemid=others["itemid"][0])
        answers |= new
        if len(work.traced) < MOST_TEXTS:
            work.traced.update(new)
    kept = pl.Series([text for text, answer in answers.items() if answer], dtype=pl.String).implode()
    return others.filter(pl.col("value").is_in(kept)).select(
        pl.col(name) if name in ID_COLUMNS else pl.lit(None, dtype=kind).alias(name)
        for name, kind in others.schema.items()
    )


def _ask(work: _Work, texts: list[str], *, itemid: int) -> dict[str, bool]:
    """Text -> True if the staging query keeps a row of the item with it; rows are told apart by their subject_id."""
    asked = {column.name: pa.nulls(len(texts), column.type) for column in work.table.arrow_schema}
    asked |= {"subject_id": pa.array(range(len(texts))), "itemid": pa.array([itemid] * len(texts))}
    with work.connection.cursor() as cursor:
        cursor.register("cells", pa.table(asked | {"value": pa.array(texts)}))
        cursor.execute(f"CREATE TEMP VIEW raw_{work.name} AS FROM cells")
        kept = {number for (number,) in cursor.execute(f"SELECT subject_id FROM ({work.sql.text})").fetchall()}
    return {text: number in kept for number, text in enumerate(texts)}


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
                raise RawDataError(lost_records(work.own, [piece], fields=len(work.header), read=read))
            check_fields(work.own, piece, fields=len(work.header))
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
