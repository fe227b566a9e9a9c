"""A short file into the database as a whole, read with the same care as the long ones."""

from pathlib import Path

import duckdb

from medpatch.config.error import RawDataError
from medpatch.extract.header import read_header
from medpatch.extract.piece import check_fields, lost_records, name_null_bytes, read_pieces
from medpatch.extract.raw_table import RawTable
from medpatch.extract.register import parquet_query, strict_query


def read_whole(connection: duckdb.DuckDBPyConnection, own: Path, *, table: RawTable, aside: Path) -> int:
    """Make the temporary table `cells` of the rows of a file; how many there are.

    A CSV is inflated aside first, which checks its sum, takes NUL bytes out and counts its records: the database
    drops a last record whose quote is not closed without a word.

    Args:
        connection: where the table is made.
        own: .csv, .csv.gz or Parquet.
        table: its description.
        aside: file to write meanwhile.

    Raises:
        RawDataError: the file is truncated or damaged, a quote is not closed, or a record has another number of
            fields than the header; names the line.
        duckdb.Error: a cell or record cannot be read; see `connect.raw_error`.
    """
    if own.suffix == ".parquet":
        return _make_cells(connection, parquet_query(own, table))
    header, null_bytes = read_header(own), 0
    try:
        with aside.open("wb") as plain:
            records, is_even = 0, True
            for piece in read_pieces(own):
                plain.write(piece.data)
                records, null_bytes = piece.first_record + piece.records, null_bytes + piece.null_bytes
                is_even = is_even and piece.is_even
        name_null_bytes(own, null_bytes)
        query = strict_query(aside, table, header=header, has_header=False)
        read = _make_cells(connection, query)
        if read != records:
            raise RawDataError(lost_records(own, read_pieces(own), fields=len(header), read=read))
        if not is_even:
            for piece in read_pieces(own):
                check_fields(own, piece, fields=len(header))
        return read
    finally:
        aside.unlink(missing_ok=True)


def _make_cells(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE cells AS {query}")
    ((rows,),) = connection.execute("SELECT count(*) FROM cells").fetchall()
    return rows
