"""Raw files, seeds and split lists as views that SQL can name."""

from pathlib import Path

import duckdb

from medpatch.config.path import SQL_DIR
from medpatch.extract.header import read_header
from medpatch.extract.raw_table import MISSING_VALUES, RAW_TABLES, RawTable
from medpatch.extract.source import RawSource

SEED_DIR = SQL_DIR / "seed"
LONGEST_LINE_BYTES = 16 * 2**20


def register_raw(connection: duckdb.DuckDBPyConnection, source: RawSource | None) -> None:
    """One view `raw_<table>` per raw table, whatever the release calls its columns.

    Tables of an absent data set have the columns and no rows; so have all of them without a source.
    """
    for name, table in RAW_TABLES.items():
        file = None if source is None else source.file(name)
        query = _empty(table) if file is None else _select(file, table)
        connection.execute(f"CREATE OR REPLACE VIEW raw_{name} AS {query}")


def register_seeds(connection: duckdb.DuckDBPyConnection, seed_dir: Path = SEED_DIR) -> None:
    """One view per CSV of sql/seed, named after it; types are found from all rows."""
    for file in sorted(seed_dir.glob("*.csv")):
        connection.execute(
            f"CREATE OR REPLACE VIEW {file.stem} AS "
            f"FROM read_csv({literal(file)}, header = true, sample_size = -1, nullstr = '')"
        )


def register_parquet(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """One view per Parquet file of a folder, named after it."""
    for file in sorted(folder.glob("*.parquet")):
        connection.execute(f"CREATE OR REPLACE VIEW {file.stem} AS FROM read_parquet({literal(file)})")


def literal(text: object) -> str:
    """An SQL string literal."""
    return "'" + str(text).replace("'", "''") + "'"


def _empty(table: RawTable) -> str:
    columns = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in table.columns.items())
    return f"SELECT {columns} WHERE FALSE"


def _select(file: Path, table: RawTable) -> str:
    header = read_header(file)
    origin = {name: name if name in header else table.renamed[name] for name in table.columns}
    if file.suffix == ".parquet":
        columns = ", ".join(f'CAST("{origin[n]}" AS {kind}) AS "{n}"' for n, kind in table.columns.items())
        return f"SELECT {columns} FROM read_parquet({literal(file)})"
    kinds = {origin[name]: kind for name, kind in table.columns.items()}
    typed = ", ".join(f"{literal(name)}: {literal(kinds.get(name, 'VARCHAR'))}" for name in header)
    columns = ", ".join(f'"{origin[name]}" AS "{name}"' for name in table.columns)
    missing = ", ".join(literal(text) for text in MISSING_VALUES)
    # strict and never ignoring errors: a reader that skips what it cannot parse loses notes silently
    return (
        f"SELECT {columns} FROM read_csv({literal(file)}, auto_detect = false, header = true, delim = ',', "
        f"quote = '\"', escape = '\"', strict_mode = true, ignore_errors = false, nullstr = [{missing}], "
        f"max_line_size = {LONGEST_LINE_BYTES}, parallel = {str(not table.is_note).lower()}, "
        f"columns = {{{typed}}})"
    )
