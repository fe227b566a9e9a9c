"""Mart tables to Parquet, with the columns and types of their contract."""

from pathlib import Path

import duckdb
import pyarrow as pa

from medpatch.config.name import Task
from medpatch.contract.table import TABLES, warehouse_file
from medpatch.extract.register import literal

CRITERION = "stay_criterion"
LABEL_TABLE = {
    Task.IN_HOSPITAL_MORTALITY: "label_in_hospital_mortality",
    Task.PHENOTYPING: "label_phenotype",
}
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


def export_tables(connection: duckdb.DuckDBPyConnection, folder: Path, *, task: Task) -> dict[str, int]:
    """Write every table of the contract and stay_criterion; rows per table.

    The label table of the task has the samples only, like the published lists: a stay without a diagnosis, a
    full window or a measurement has no label there. Rows keep the order of the table, so a file is sorted by
    stay_id and a range of stays reads few row groups.
    """
    rows: dict[str, int] = {}
    for name, schema in TABLES.items():
        columns = ", ".join(f'CAST("{f.name}" AS {_TYPE[f.type]}) AS "{f.name}"' for f in schema)
        of_sample = " SEMI JOIN stay_index USING (stay_id) ORDER BY ALL" if name == LABEL_TABLE[task] else ""
        group = _TEXT_ROW_GROUP if "text" in schema.names else _ROW_GROUP
        rows[name] = _copy(connection, f"SELECT {columns} FROM {name}{of_sample}", stem=folder / name, row_group=group)
    criterion = f"FROM {CRITERION} ORDER BY stay_id"  # its query has no order, and two runs must not differ
    rows[CRITERION] = _copy(connection, criterion, stem=folder / CRITERION, row_group=_ROW_GROUP)
    return rows


def _copy(connection: duckdb.DuckDBPyConnection, query: str, *, stem: Path, row_group: int) -> int:
    target = literal(stem.with_name(warehouse_file(stem.name)))
    (rows,) = connection.execute(
        f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {row_group})"
    ).fetchone()
    return rows
