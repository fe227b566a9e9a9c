"""The quick reader: pieces of a table of events in which nothing is unusual.

Whatever it is not sure of it leaves to the strict reader (`register.strict_query`), which is ten times slower, so
that a table does not depend on which of the two has read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from medpatch.extract.piece import Piece, outside_quotes
from medpatch.extract.raw_table import RawTable

TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
_KIND = {"BIGINT": pl.Int64, "DOUBLE": pl.Float64}
_NOT_A_DELIMITER = bytes(set(range(256)) - {ord(","), ord("\n")})


@dataclass(frozen=True)
class RegularReader:
    """How one file of events is read.

    Attributes:
        table: the raw table.
        header: its columns in the order of the file.
        itemids: items whose rows are all wanted.
    """

    table: RawTable
    header: Sequence[str]
    itemids: Sequence[int]

    def read(self, piece: Piece) -> pl.DataFrame | None:
        """The rows that any configuration can need, or None where the strict reader must decide.

        Kept are rows of `itemids` and rows whose value is not a number (of which SQL keeps a trace); columns
        are typed as in `raw_table`, texts that mean "no value" are still texts in a VARCHAR column.
        """
        if b"\r" in piece.data or not self._has_all_fields(piece):
            return None
        origin = {name: self._origin(name) for name in self.table.columns}
        kind = {origin[name]: _KIND.get(kind, pl.String) for name, kind in self.table.columns.items()}
        wanted = pl.Series(self.itemids, dtype=pl.Int64).implode()  # a list would cost 8 ms per piece
        number = pl.col("value").cast(pl.Float64, strict=False)
        times = [name for name, kind in self.table.columns.items() if kind == "TIMESTAMP"]
        numbers = [name for name, kind in self.table.columns.items() if kind == "DOUBLE"]
        try:
            return (
                pl.scan_csv(
                    piece.data, has_header=False, schema={name: kind.get(name, pl.String) for name in self.header}
                )
                .select(pl.col(origin[name]).alias(name) for name in self.table.columns)
                .filter(pl.col("itemid").is_in(wanted) | (pl.col("value").is_not_null() & number.is_null()))
                .with_columns(
                    *(pl.col(name).str.to_datetime(TIME_FORMAT) for name in times),
                    *(pl.col(name).fill_nan(None) for name in numbers),
                )
                .collect()
            )
        except pl.exceptions.PolarsError:
            return None

    def _origin(self, name: str) -> str:
        return name if name in self.header else self.table.renamed[name]

    def _has_all_fields(self, piece: Piece) -> bool:
        """True if every record has as many fields as the header."""
        delimiters = outside_quotes(piece.data).translate(None, _NOT_A_DELIMITER)
        one = b"," * (len(self.header) - 1) + b"\n"
        if not piece.data.endswith(b"\n"):
            delimiters += b"\n"
        return delimiters == one * piece.records
