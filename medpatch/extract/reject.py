"""Rows of a raw file that are whole but cannot be used, set aside and counted."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.error import RawDataError
from medpatch.contract.table import small_table
from medpatch.extract.raw_table import RawTable

REJECT = "reject"
REJECT_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("rows_read", pa.int64()),
        ("reason", pa.string()),
        ("rows", pa.int64()),
    ]
)
"""`source`: raw table; `file`: path inside its data set; `rows_read`: rows of the file; `rows`: those set aside."""
KEY_MISSING, REPEATED = "key missing", "row repeated"


@dataclass(frozen=True)
class Reject:
    """Rows of one file that were set aside for one reason."""

    source: str
    file: str
    rows_read: int
    reason: str
    rows: int


def write_rejects(folder: Path, rejects: list[Reject]) -> None:
    """reject.parquet of a staging folder; no row where nothing was set aside."""
    rows = [vars(reject) for reject in rejects]
    pq.write_table(small_table(rows, REJECT_SCHEMA), folder / f"{REJECT}.parquet")


def refuse_repeated_keys(
    connection: duckdb.DuckDBPyConnection, relation: str, *, table: RawTable, file: Path
) -> dict[str, int]:
    """Reason -> rows that `keyed_query` leaves out of the relation.

    Raises:
        RawDataError: rows share a key and differ, so that nobody can say which is true.
    """
    key = f'"{table.key}"'
    rows, distinct, empty = connection.execute(
        f"SELECT (SELECT count(*) FROM {relation}), count(*) FILTER ({key} IS NOT NULL), "
        f"(SELECT count(*) FROM {relation} WHERE {key} IS NULL) FROM (SELECT DISTINCT * FROM {relation})"
    ).fetchall()[0]
    shared = connection.execute(
        f"SELECT {key} FROM (SELECT DISTINCT * FROM {relation} WHERE {key} IS NOT NULL) "
        f"GROUP BY {key} HAVING count(*) > 1 ORDER BY {key}"
    ).fetchall()
    if shared:
        raise RawDataError(
            f"{file}: {len(shared)} {table.key} stand in several rows that differ (first {table.key} {shared[0][0]}), "
            "expected one row each; download the file again, or remove the rows that are wrong"
        )
    counted = {KEY_MISSING: empty, REPEATED: rows - empty - distinct}
    return {reason: count for reason, count in counted.items() if count}


def keyed_query(relation: str, table: RawTable) -> str:
    """The relation with each key once, in the order of keys."""
    return f'SELECT DISTINCT * FROM {relation} WHERE "{table.key}" IS NOT NULL ORDER BY "{table.key}"'
