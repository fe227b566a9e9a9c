"""Raw files to Parquet, once per set of raw files: the rows and columns that any configuration may need."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.code import EXTRACT_CODE
from medpatch.config.error import RawDataError
from medpatch.contract.artifact import writing
from medpatch.contract.table import small_table
from medpatch.extract.connect import DEFAULT_MEMORY, raw_error, scratch_database
from medpatch.extract.layer import ROW_COUNT, SqlFile, list_layers
from medpatch.extract.long import stage_in_pieces
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.register import literal, register_raw, register_seeds
from medpatch.extract.reject import Reject, keyed_query, refuse_repeated_keys, write_rejects
from medpatch.extract.reuse import Memory, StagedTable
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
    staged: list[StagedTable] = []
    with (
        writing(staging_dir, inputs=inputs, packages=EXTRACT_CODE) as folder,
        scratch_database(staging_dir.parent, memory_limit=memory_limit) as connection,
    ):
        register_seeds(connection)
        register_raw(connection, source)
        for file in files:
            table = memory.take_over(file, folder)
            if table is None:
                table = memory.described(file, _stage(connection, file, folder=folder, source=source, meter=meter))
            meter.finish(source.file(raw.removeprefix("raw_")) for raw in file.reads if raw.startswith("raw_"))
            logger.info("staged %s: %d of %d rows", table.source, table.rows_kept, table.rows_in)
            staged.append(table)
        counts = [{"source": t.source, "rows_in": t.rows_in, "rows_kept": t.rows_kept} for t in staged]
        pq.write_table(small_table(counts, ROW_COUNT_SCHEMA), folder / f"{ROW_COUNT}.parquet")
        write_rejects(folder, [reject for table in staged for reject in table.rejects])
        memory.write(folder, staged)


def _stage(
    connection: duckdb.DuckDBPyConnection, file: SqlFile, *, folder: Path, source: RawSource, meter: "_Meter"
) -> StagedTable:
    name = file.name.removeprefix("stg_")
    own, table = source.file(name), RAW_TABLES[name]
    # notes are numbered in file order
    connection.execute(f"SET preserve_insertion_order = {str(table.is_note or own is None).lower()}")
    if own is not None and own.suffix != ".parquet" and (table.is_event or table.is_note):
        rows_in, rows_kept = stage_in_pieces(
            connection, file, folder=folder / file.name, own=own, advance=lambda read: meter.read(own, read)
        )
        rejected: dict[str, int] = {}
    else:
        rows_in, rejected, rows_kept = _stage_whole(connection, file, folder=folder, source=source)
    if own is not None and rows_in == 0 and not table.may_be_empty:
        raise RawDataError(f"{own}: a header and no rows; expected the rows of {name}: download the file again")
    inside = "" if own is None else own.relative_to(source.folder(table)).as_posix()
    rejects = tuple(Reject(name, inside, rows_in, reason, rows) for reason, rows in rejected.items())
    return StagedTable(name, rows_in, rows_kept, rejects)


def _stage_whole(
    connection: duckdb.DuckDBPyConnection, file: SqlFile, *, folder: Path, source: RawSource
) -> tuple[int, dict[str, int], int]:
    """Rows read, rows set aside per reason, rows kept, of a table that is written by one query."""
    name = file.name.removeprefix("stg_")
    own, table = source.file(name), RAW_TABLES[name]
    raw_files = [source.file(raw.removeprefix("raw_")) for raw in sorted(file.reads) if raw.startswith("raw_")]
    rejected: dict[str, int] = {}
    rows_in = 0
    try:
        if own is not None and own.suffix == ".parquet" and table.key is None:
            rows_in = pq.read_metadata(own).num_rows
        elif own is not None:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE cells AS FROM main.raw_{name}")
            ((rows_in,),) = connection.execute("SELECT count(*) FROM cells").fetchall()
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
        culprit = _culprit(str(error), raw_files) or own
        if culprit is None:
            raise
        raise raw_error(error, culprit) from None  # the cause quotes the row, which may be a note
    finally:
        connection.execute(f"DROP VIEW IF EXISTS temp.raw_{name}")
        connection.execute("DROP TABLE IF EXISTS temp.cells")
    return rows_in, rejected, rows_kept


def _culprit(message: str, files: list[Path | None]) -> Path | None:
    return next((file for file in files if file is not None and str(file) in message), None)


@dataclass
class _Meter:
    """Bytes of raw files read so far, told in MiB."""

    progress: Callable[[int, int], None] | None
    files: list[Path]

    def __post_init__(self) -> None:
        self.size = {file: file.stat().st_size for file in self.files}
        self.done: dict[Path, int] = {}

    def read(self, file: Path, read_bytes: int) -> None:
        self.done[file] = read_bytes
        if self.progress is not None:
            total = max(1, sum(self.size.values()) // MEBIBYTE)
            self.progress(min(sum(self.done.values()) // MEBIBYTE, total), total)

    def finish(self, files: Iterable[Path | None]) -> None:
        for file in files:
            if file is not None:
                self.read(file, self.size[file])
