"""Raw files, seeds and staged tables as relations that SQL can name."""

from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.error import RawDataError
from medpatch.config.path import SQL_DIR
from medpatch.extract.header import read_header
from medpatch.extract.raw_table import MISSING_VALUES, RAW_TABLES, RawTable
from medpatch.extract.source import RawSource

SEED_DIR = SQL_DIR / "seed"
LONGEST_LINE_BYTES = 64 * 2**20
CELL_ERROR = "medpatch-cell"
"""First word of an error about one cell: "medpatch-cell RECORD COLUMN WHAT"."""
_ENUMERATED = {
    "channel": (
        "SELECT variable FROM seed_ehr_variable ORDER BY channel_id",
        (("ehr_variable", "variable"), ("ehr_itemid", "variable")),
    ),
    "event_table": (
        "SELECT DISTINCT source_table FROM seed_ehr_itemid ORDER BY source_table",
        (("ehr_itemid", "source_table"),),
    ),
}
"""Type -> its values, and the seed columns that have it: texts that millions of rows repeat."""
_ZONE = r"\s*\d+[-/]\d+[-/]\d+[ T]+\d+:[\d:.]+\s*([A-Za-z][\w/+:-]*|[+-][\d:]+)\s*"
_MISSING = ", ".join("'" + text.replace("'", "''") + "'" for text in MISSING_VALUES)


def register_raw(connection: duckdb.DuckDBPyConnection, source: RawSource | None) -> None:
    """One view `raw_<table>` per raw table, whatever the release calls its columns.

    Tables of an absent data set have the columns and no rows; so have all of them without a source.
    """
    for name, table in RAW_TABLES.items():
        file = None if source is None else source.file(name)
        query = empty_query(table) if file is None else file_query(file, table)
        connection.execute(f"CREATE OR REPLACE VIEW raw_{name} AS {query}")


def register_seeds(connection: duckdb.DuckDBPyConnection, seed_dir: Path = SEED_DIR) -> None:
    """One view per CSV of sql/seed, named after it, of a table read once; types are found from all rows.

    The order of channels is that of their numbers, which is also the order of their names.
    """
    for file in sorted(seed_dir.glob("*.csv")):
        connection.execute(
            f"CREATE OR REPLACE TABLE seed_{file.stem} AS "
            f"FROM read_csv({literal(file)}, header = true, sample_size = -1, nullstr = '', "
            "delim = ',', quote = '\"', escape = '\"')"
        )
        connection.execute(f"CREATE OR REPLACE VIEW {file.stem} AS FROM seed_{file.stem}")
    for kind, (values, columns) in _ENUMERATED.items():
        connection.execute(f"CREATE TYPE IF NOT EXISTS {kind} AS ENUM ({values})")
        for table, column in columns:
            connection.execute(f"ALTER TABLE seed_{table} ALTER {column} TYPE {kind}")
            connection.execute(f"CREATE OR REPLACE VIEW {table} AS FROM seed_{table}")


def register_parquet(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """One view per table of a folder: a file <table>.parquet, or a folder <table>/ of parts in order."""
    for file in sorted(folder.glob("*.parquet")):
        connection.execute(f"CREATE OR REPLACE VIEW {file.stem} AS FROM read_parquet({literal(file)})")
    for parts in sorted({file.parent for file in folder.glob("*/*.parquet")}):
        connection.execute(f"CREATE OR REPLACE VIEW {parts.name} AS FROM read_parquet({literal(parts / '*.parquet')})")


def literal(text: object) -> str:
    """An SQL string literal."""
    return "'" + str(text).replace("'", "''") + "'"


def file_query(file: Path, table: RawTable) -> str:
    """The rows of a whole file, every field checked.

    Raises:
        RawDataError: a time of a Parquet file has a time zone.
    """
    return (
        parquet_query(file, table) if file.suffix == ".parquet" else strict_query(file, table, header=read_header(file))
    )


def empty_query(table: RawTable) -> str:
    """The columns of a table without a row."""
    columns = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in table.columns.items())
    return f"SELECT {columns} WHERE FALSE"


def strict_query(file: Path, table: RawTable, *, header: list[str], has_header: bool = True) -> str:
    """The rows of a CSV file, every field of every row checked; nothing is skipped and nothing guessed.

    An error says the record and the column, not the content (see `connect.raw_error`).
    """
    origin = {name: name if name in header else table.renamed[name] for name in table.columns}
    typed = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    check = partial(_checked, is_finite=not table.is_event)
    checked = ", ".join(
        f'{check(literal(origin[name]), f"{chr(34)}{origin[name]}{chr(34)}", kind=kind)} AS "{name}"'
        for name, kind in table.columns.items()
    )
    # strict and never ignoring errors: a reader that skips what it cannot parse loses notes silently
    line_end = "" if has_header else ", new_line = '\\n'"  # as pieces have it; a text may hold the others
    return (
        f'SELECT {checked} FROM (SELECT *, row_number() OVER () AS "record of the file" FROM read_csv('
        f"{literal(file)}, auto_detect = false, header = {str(has_header).lower()}, delim = ',', quote = '\"', "
        f"escape = '\"', strict_mode = true, ignore_errors = false, nullstr = [{_MISSING}], parallel = false, "
        f"max_line_size = {LONGEST_LINE_BYTES}, columns = {{{typed}}}{line_end}))"
    )


def parquet_query(file: Path, table: RawTable) -> str:
    """The rows of a Parquet file in the types of the table.

    Raises:
        RawDataError: a time has a time zone.
    """
    schema = pq.read_schema(file)
    columns = []
    for name, kind in table.columns.items():
        origin = name if name in schema.names else table.renamed[name]
        found = schema.field(origin).type
        if pa.types.is_timestamp(found) and found.tz is not None:
            raise RawDataError(
                f"{file}: column {origin} has the time zone {found.tz}, MIMIC's times have none; "
                "write it again as local time without a zone"
            )
        columns.append(f'{_from_parquet(origin, kind, found=found, is_finite=not table.is_event)} AS "{name}"')
    return f"SELECT {', '.join(columns)} FROM read_parquet({literal(file)}, file_row_number = true)"


def _checked(column: str, text: str, *, kind: str, is_finite: bool, record: str = '"record of the file"') -> str:
    """A text as a value of the kind, null where it is null, an error where it is none."""

    other = _error(column, kind, record=record)
    if kind == "BIGINT":  # a cast alone would round 12.5 and take 1_2 for 12
        is_fit = f"try_cast({text} AS DOUBLE) = try_cast({text} AS BIGINT) AND NOT contains({text}, '_')"
        return f"CASE WHEN {text} IS NULL THEN NULL WHEN {is_fit} THEN CAST({text} AS BIGINT) ELSE {other} END"
    if kind == "TIMESTAMP":  # a cast alone would drop the zone without moving the time
        return (
            f"CASE WHEN {text} IS NULL THEN NULL WHEN regexp_full_match({text}, '{_ZONE}') "
            f"THEN {_error(column, 'zone', record=record)} "
            # neither infinity nor epoch, which a cast takes for times
            f"WHEN regexp_matches({text}, '^\\s*\\d{{1,4}}\\D') AND isfinite(try_cast({text} AS TIMESTAMP)) "
            f"THEN CAST({text} AS TIMESTAMP) ELSE {other} END"
        )
    if kind == "DOUBLE":
        is_fit = f"try_cast({text} AS DOUBLE) IS NOT NULL AND NOT contains({text}, '_')"
        is_fit += f" AND NOT isinf(try_cast({text} AS DOUBLE))" if is_finite else ""
        number = f"nullif(CAST({text} AS DOUBLE), 'NaN')"
        return f"CASE WHEN {text} IS NULL THEN NULL WHEN {is_fit} THEN {number} ELSE {other} END"
    return text


def _error(column: str, what: str, *, record: str) -> str:
    return f"error(concat('{CELL_ERROR} ', {record}, ' ', {column}, ' {what}'))"


def _from_parquet(origin: str, kind: str, *, found: pa.DataType, is_finite: bool) -> str:
    column, record = f'"{origin}"', "file_row_number + 1"
    other = _error(literal(origin), kind, record=record)
    # smallest and largest value in a Parquet file say nothing of its NaN; the database trusts them, and takes a
    # comparison with NaN, and isnan() as well, for false where they are numbers
    number = f"CASE WHEN isfinite({column}) OR isinf({column}) THEN {column} END"
    if pa.types.is_floating(found) and kind == "DOUBLE":
        value = f"CAST({number} AS DOUBLE)"
        return f"CASE WHEN isinf({column}) THEN {other} ELSE {value} END" if is_finite else value
    if pa.types.is_timestamp(found) and kind == "TIMESTAMP":
        return f"CASE WHEN isfinite({column}) OR {column} IS NULL THEN CAST({column} AS TIMESTAMP) ELSE {other} END"
    if pa.types.is_floating(found):  # pandas keeps whole numbers, and texts that are numbers, with gaps as floats
        column = f"CAST({number} AS VARCHAR)"
    elif not _is_text(found):
        return f"CAST({column} AS {kind})"
    else:
        column = f"replace(CASE WHEN {column} NOT IN ({_MISSING}) THEN CAST({column} AS VARCHAR) END, chr(0), '')"
    return _checked(literal(origin), column, kind=kind, is_finite=is_finite, record=record)


def _is_text(found: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_dictionary)
    return any(is_kind(found) for is_kind in kinds)
