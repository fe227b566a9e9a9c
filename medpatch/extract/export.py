"""Mart tables to Parquet, with the columns and types of their contract."""

from pathlib import Path

import duckdb
import pyarrow as pa

from medpatch.contract.table import TABLES, warehouse_file
from medpatch.extract.register import literal

CRITERION = "stay_criterion"
_TYPE = {
    pa.int64(): "BIGINT",
    pa.int8(): "TINYINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us"): "TIMESTAMP",
}
_TEXT_ROW_GROUP = 8192
_ROW_GROUP = 122880


def export_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    """Write every table of the contract and stay_criterion; rows per table.

    Rows keep the order of the table, so a file is sorted by stay_id and a range of stays reads few row groups.
    """
    rows = {
        name: _copy(
            connection,
            ", ".join(f'CAST("{f.name}" AS {_TYPE[f.type]}) AS "{f.name}"' for f in schema),
            name,
            folder=folder,
            row_group=_TEXT_ROW_GROUP if "text" in schema.names else _ROW_GROUP,
        )
        for name, schema in TABLES.items()
    }
    rows[CRITERION] = _copy(connection, "*", CRITERION, folder=folder, row_group=_ROW_GROUP)
    return rows


def _copy(connection: duckdb.DuckDBPyConnection, columns: str, name: str, *, folder: Path, row_group: int) -> int:
    target = literal(folder / warehouse_file(name))
    (rows,) = connection.execute(
        f"COPY (SELECT {columns} FROM {name}) TO {target} "
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {row_group})"
    ).fetchone()
    return rows
