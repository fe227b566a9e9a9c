"""Raw files to Parquet, once per set of raw files: the rows and columns that any configuration may need."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.code import EXTRACT_CODE
from medpatch.config.error import RawDataError
from medpatch.contract.artifact import writing
from medpatch.contract.table import small_table
from medpatch.extract.connect import DEFAULT_MEMORY, raw_error, scratch_database
from medpatch.extract.layer import ROW_COUNT, SqlFile, list_layers
from medpatch.extract.long import Workers, open_workers, stage_in_pieces
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.register import literal, register_raw, register_seeds
from medpatch.extract.reject import Reject, keyed_query, refuse_repeated_keys, write_rejects
from medpatch.extract.reuse import Memory, StagedTable
from medpatch.extract.short import read_whole
from medpatch.extract.source import RawSource

logger = logging.getLogger(__name__)

ROW_COUNT_SCHEMA = pa.schema([("source", pa.string()), ("rows_in", pa.int64()), ("rows_kept", pa.int64())])
ROW_GROUP, NOTE_ROW_GROUP = 122880, 8192
MEBIBYTE = 2**20


def build_staging(
    source: RawSource,
    staging_dir: Path,
    *,
    inputs: str,
    memory_limit: str = DEFAULT_MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the staging tables that read raw files as Parquet; whole or absent.

    Tables that an earlier folder beside `staging_dir` holds for the same raw files, SQL and code are taken over
    from there. Beside the tables: stg_row_count (rows of each file, rows kept) and reject (rows set aside).

    Args:
        source: the raw data sets.
        staging_dir: folder to make.
        inputs: digest of the raw files, kept in the folder's description.
        memory_limit: of DuckDB, such as "2GB"; more is spilled to disk beside `staging_dir`.
        progress: told (MiB of raw files read, MiB in all).

    Raises:
        RawDataError: a file is truncated, has no rows, shares keys, or cannot be parsed; names file and line.
        ResourceError: the disk is full.
    """
    files = [file for file in list_layers() if file.is_staging]
    memory = Memory(source, staging_dir)
    meter = _Meter(progress, [file for name in RAW_TABLES if (file := source.file(name)) is not None])
    with (
        writing(staging_dir, inputs=inputs, packages=EXTRACT_CODE) as folder,
        scratch_database(staging_dir.parent, memory_limit=memory_limit) as connection,
    ):
        register_seeds(connection)
        register_raw(connection, source)
        taken = {file.name: table for file in files if (table := memory.take_over(file, folder)) is not None}
        for file in files:
            if file.name in taken:
                meter.finish(file, source)
        build = _Build(connection, folder, source, meter)
        made = _stage_all(build, [file for file in files if file.name not in taken])
        staged = [taken.get(file.name) or memory.described(file, made[file.name]) for file in files]
        counts = [{"source": t.source, "rows_in": t.rows_in, "rows_kept": t.rows_kept} for t in staged]
        pq.write_table(small_table(counts, ROW_COUNT_SCHEMA), folder / f"{ROW_COUNT}.parquet")
        write_rejects(folder, [reject for table in staged for reject in table.rejects])
        memory.write(folder, staged)


@dataclass(frozen=True)
class _Build:
    """What every table of one build is made with.

    Attributes:
        connection: knows the seeds and raw_<table>; each table works on a cursor of it.
        folder: of the tables.
        source: the raw data sets.
        meter: told what is done.
    """

    connection: duckdb.DuckDBPyConnection
    folder: Path
    source: RawSource
    meter: "_Meter"


def _stage_all(build: _Build, files: list[SqlFile]) -> dict[str, StagedTable]:
    """Name -> table; the long files are read at the same time, each by its own thread, and the short ones meanwhile.

    Tables whose rows keep the order of their file come last, for the database has one setting for all its queries.
    """
    ordered = [file for file in files if _keeps_order(file, build.source)]
    others = [file for file in files if file not in ordered]
    long = [file for file in others if _is_in_pieces(file, build.source)]
    made: dict[str, StagedTable] = {}

    def note(file: SqlFile, table: StagedTable) -> None:
        build.meter.finish(file, build.source)
        logger.info("staged %s: %d of %d rows", table.source, table.rows_kept, table.rows_in)
        made[file.name] = table

    with open_workers() as workers, ThreadPoolExecutor(max(1, len(long))) as readers:
        try:
            build.connection.execute("SET preserve_insertion_order = false")
            reading = {readers.submit(_stage, build, file, workers=workers): file for file in long}
            for file in others:
                if file not in long:
                    note(file, _stage(build, file, workers=workers))
            for future in reading:
                future.add_done_callback(build.meter.news.put)
            while reading:
                done = build.meter.news.get()
                if done is None:
                    build.meter.tell()
                else:
                    note(reading.pop(done), done.result())
            build.connection.execute("SET preserve_insertion_order = true")
            for file in ordered:
                note(file, _stage(build, file, workers=workers))
        except BaseException:
            workers.is_over.set()
            raise
    return made


def _keeps_order(file: SqlFile, source: RawSource) -> bool:
    """True for notes, which are numbered in file order, and where there is no file."""
    name = file.name.removeprefix("stg_")
    return RAW_TABLES[name].is_note or source.file(name) is None


def _is_in_pieces(file: SqlFile, source: RawSource) -> bool:
    name = file.name.removeprefix("stg_")
    own, table = source.file(name), RAW_TABLES[name]
    return own is not None and own.suffix != ".parquet" and (table.is_event or table.is_note)


def _stage(build: _Build, file: SqlFile, *, workers: Workers) -> StagedTable:
    name = file.name.removeprefix("stg_")
    own, table = build.source.file(name), RAW_TABLES[name]
    rejected: dict[str, int] = {}
    with build.connection.cursor() as cursor:
        if own is not None and _is_in_pieces(file, build.source):
            rows_in, rows_kept = stage_in_pieces(
                cursor,
                file,
                folder=build.folder / file.name,
                own=own,
                workers=workers,
                advance=lambda read: build.meter.note(own, read),
            )
        else:
            rows_in, rejected, rows_kept = _stage_whole(cursor, file, folder=build.folder, source=build.source)
    if own is not None and rows_in == 0 and not table.may_be_empty:
        raise RawDataError(f"{own}: a header and no rows; expected the rows of {name}: download the file again")
    inside = "" if own is None else own.relative_to(build.source.folder(table)).as_posix()
    rejects = tuple(Reject(name, inside, rows_in, reason, rows) for reason, rows in rejected.items())
    return StagedTable(name, rows_in, rows_kept, rejects)


def _stage_whole(
    connection: duckdb.DuckDBPyConnection, file: SqlFile, *, folder: Path, source: RawSource
) -> tuple[int, dict[str, int], int]:
    """Rows read, rows set aside per reason, rows kept, of a table that is written by one query."""
    name = file.name.removeprefix("stg_")
    own, table = source.file(name), RAW_TABLES[name]
    rejected: dict[str, int] = {}
    rows_in = 0
    try:
        if own is not None and own.suffix == ".parquet" and table.key is None:
            rows_in = pq.read_metadata(own).num_rows
        elif own is not None:
            rows_in = read_whole(connection, own, table=table, aside=folder / f".{file.name}.csv")
            query = "FROM cells"
            if table.key is not None:
                rejected = refuse_repeated_keys(connection, "cells", table=table, file=own)
                query = keyed_query("cells", table)
            connection.execute(f"CREATE OR REPLACE TEMP VIEW raw_{name} AS {query}")
        group = NOTE_ROW_GROUP if table.is_note else ROW_GROUP
        ((rows_kept,),) = connection.execute(
            f"COPY ({file.text}) TO {literal(folder / f'{file.name}.parquet')} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group})"
        ).fetchall()
    except duckdb.Error as error:
        if own is None:
            raise
        first = 1 if own.suffix == ".parquet" else 2
        raise raw_error(error, own, first_line=first) from None  # the cause quotes the row, which may be a note
    finally:
        connection.execute(f"DROP VIEW IF EXISTS temp.raw_{name}")
        connection.execute("DROP TABLE IF EXISTS temp.cells")
    return rows_in, rejected, rows_kept


@dataclass
class _Meter:
    """Bytes of raw files read so far: noted by any thread, told in MiB by the one that builds.

    Attributes:
        progress: told.
        files: all raw files.
        news: None for each note of another thread, for the building one to tell, and tables that are done.
    """

    progress: Callable[[int, int], None] | None
    files: list[Path]
    news: "SimpleQueue[Future[StagedTable] | None]" = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self.size = {file: file.stat().st_size for file in self.files}
        self.done = dict.fromkeys(self.files, 0)
        self.builder = threading.get_ident()

    def note(self, file: Path, read_bytes: int) -> None:
        self.done[file] = read_bytes
        if threading.get_ident() == self.builder:
            self.tell()
        else:
            self.news.put(None)

    def tell(self) -> None:
        if self.progress is not None:
            total = max(1, sum(self.size.values()) // MEBIBYTE)
            self.progress(min(sum(self.done.values()) // MEBIBYTE, total), total)

    def finish(self, file: SqlFile, source: RawSource) -> None:
        """The raw files that a table reads are done."""
        for raw in sorted(file.reads):
            own = source.file(raw.removeprefix("raw_")) if raw.startswith("raw_") else None
            if own is not None:
                self.note(own, self.size[own])
