"""Raw files to Parquet, once per set of raw files: the rows and columns that any configuration may need."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.code import EXTRACT_CODE
from medpatch.config.error import RawDataError
from medpatch.contract.artifact import writing
from medpatch.extract.connect import DEFAULT_MEMORY, raw_error, scratch_database
from medpatch.extract.layer import ROW_COUNT, SqlFile, list_layers
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.record import count_records
from medpatch.extract.register import literal, register_raw, register_seeds
from medpatch.extract.source import RawSource

logger = logging.getLogger(__name__)

ROW_COUNT_SCHEMA = pa.schema([("source", pa.string()), ("rows_in", pa.int64()), ("rows_kept", pa.int64())])


def build_staging(
    source: RawSource,
    staging_dir: Path,
    *,
    inputs: str,
    memory_limit: str = DEFAULT_MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the staging tables that read raw files as Parquet; whole or absent.

    Args:
        source: the raw data sets.
        staging_dir: folder to make.
        inputs: digest of the raw files, kept in the folder's description.
        memory_limit: of DuckDB, such as "2GB"; more is spilled to disk beside `staging_dir`.
        progress: told (tables done, tables).

    Raises:
        RawDataError: a file is truncated, has no rows, or cannot be parsed; names file, line and column.
    """
    files = [file for file in list_layers() if file.is_staging]
    counts: list[dict[str, object]] = []
    with (
        writing(staging_dir, inputs=inputs, packages=EXTRACT_CODE) as folder,
        scratch_database(staging_dir.parent, memory_limit=memory_limit) as connection,
    ):
        register_seeds(connection)
        register_raw(connection, source)
        for done, file in enumerate(files):
            if progress is not None:
                progress(done, len(files))
            counts.append(_stage(connection, file, folder, source=source))
        pq.write_table(pa.Table.from_pylist(counts, schema=ROW_COUNT_SCHEMA), folder / f"{ROW_COUNT}.parquet")
    if progress is not None:
        progress(len(files), len(files))


def _stage(
    connection: duckdb.DuckDBPyConnection, file: SqlFile, folder: Path, *, source: RawSource
) -> dict[str, object]:
    """Write one table; its row of the row count."""
    name = file.name.removeprefix("stg_")
    raw_files = {raw: source.file(raw.removeprefix("raw_")) for raw in file.reads if raw.startswith("raw_")}
    own = raw_files[f"raw_{name}"]
    is_note = RAW_TABLES[name].is_note
    # notes are numbered in file order; order of events does not matter and costs memory
    connection.execute(f"SET preserve_insertion_order = {str(is_note).lower()}")
    connection.execute("PRAGMA enable_profiling = 'no_output'")
    group = 8192 if is_note else 122880
    target = literal(folder / f"{file.name}.parquet")
    try:
        (kept,) = connection.execute(
            f"COPY ({file.text}) TO {target} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group})"
        ).fetchone()
        scanned = _rows_scanned(connection)
    except duckdb.Error as error:
        raise raw_error(error, _culprit(str(error), raw_files.values()) or own) from error
    finally:
        connection.execute("PRAGMA disable_profiling")
    read = 0 if own is None else scanned.get(str(own), 0)
    if own is not None:
        _check_count(own, name, rows_read=read)
    logger.info("staged %s: %d of %d rows", name, kept, read)
    return {"source": name, "rows_in": read, "rows_kept": kept}


def _check_count(file: Path, name: str, *, rows_read: int) -> None:
    if rows_read == 0 and not RAW_TABLES[name].may_be_empty:
        raise RawDataError(f"{file}: a header and no rows; expected the rows of {name}: download the file again")
    if RAW_TABLES[name].is_note and file.suffix != ".parquet":
        records = count_records(file)
        if records != rows_read:
            raise RawDataError(
                f"{file}: the file has {records} records, {rows_read} were read; "
                "a quoted text is not closed, or the file changed meanwhile"
            )


def _rows_scanned(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """File -> rows that the last query read from it, before any filter."""
    scanned: dict[str, int] = {}
    waiting = list(json.loads(connection.get_profiling_information(format="json"))["operator"])
    while waiting:
        node = waiting.pop()
        waiting.extend(node.get("children", []))
        name = node.get("extra_info", {}).get("Filename(s)")
        if name is not None:
            scanned[name] = max(scanned.get(name, 0), node["rows_scanned"])
    return scanned


def _culprit(message: str, files: object) -> Path | None:
    return next((file for file in files if file is not None and str(file) in message), None)
