"""The quick reader: pieces of a table of events in which nothing is unusual.

Whatever it is not sure of it leaves to the strict reader (`register.strict_query`), which is ten times slower, so
that a table does not depend on which of the two has read it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from medpatch.extract.piece import Piece
from medpatch.extract.raw_table import MISSING_VALUES, RawTable

TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
TIME_BYTES = 19
_KIND = {"BIGINT": pl.Int64, "DOUBLE": pl.Float64}


@dataclass(frozen=True)
class RegularRows:
    """The rows of a piece that any configuration can need, columns and types as in `raw_table`.

    Attributes:
        mapped: rows of the mapped items, which staging keeps as they are.
        others: rows whose value is not a number, of items that the published map selects besides; of them
            staging keeps a trace.
    """

    mapped: pl.DataFrame
    others: pl.DataFrame


@dataclass(frozen=True)
class RegularReader:
    """How one file of events is read.

    Attributes:
        table: the raw table.
        header: its columns in the order of the file.
        mapped: items whose rows are all wanted.
        selected: items of which staging looks at the values that are no numbers.
    """

    table: RawTable
    header: Sequence[str]
    mapped: Sequence[int]
    selected: Sequence[int]

    def read(self, piece: Piece) -> RegularRows | None:
        """What the strict reader would give, or None where it must decide."""
        if b"\r" in piece.data or not piece.is_even:
            return None
        origin = {name: self._origin(name) for name in self.table.columns}
        kind = {origin[name]: _KIND.get(kind, pl.String) for name, kind in self.table.columns.items()}
        is_mapped, is_selected = (_is_in("itemid", items) for items in (self.mapped, self.selected))
        value = pl.col("value")
        is_text = value.is_not_null() & value.cast(pl.Float64, strict=False).fill_null(math.nan).is_nan()
        try:
            rows = (
                pl.scan_csv(
                    piece.data, has_header=False, schema={name: kind.get(name, pl.String) for name in self.header}
                )
                .select(pl.col(origin[name]).alias(name) for name in self.table.columns)
                .filter(is_mapped | (is_selected & is_text))  # most rows are numbers of selected items
                .collect()
            )
            if self._has_odd_time(rows):
                return None
            mapped, others = rows.filter(is_mapped), rows.filter(~is_mapped)
            mapped, others = self._typed(mapped), self._typed(others)
        except pl.exceptions.PolarsError:
            return None
        return RegularRows(mapped, others.filter(others["value"].is_not_null()))

    def _origin(self, name: str) -> str:
        return name if name in self.header else self.table.renamed[name]

    def _has_odd_time(self, rows: pl.DataFrame) -> bool:
        """True if a time is written otherwise than MIMIC writes it, or has a 61st second."""
        times = [name for name, kind in self.table.columns.items() if kind == "TIMESTAMP"]
        odd = [(pl.col(t).str.len_bytes() != TIME_BYTES) | pl.col(t).str.ends_with(":60") for t in times]
        return bool(times) and rows.select(pl.any_horizontal(odd).any()).item()

    def _typed(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(
            pl.col(name).str.to_datetime(TIME_FORMAT)
            if kind == "TIMESTAMP"
            else pl.col(name).fill_nan(None)
            if kind == "DOUBLE"
            else pl.when(~pl.col(name).is_in(MISSING_VALUES)).then(name)
            for name, kind in self.table.columns.items()
            if kind != "BIGINT"
        )


def _is_in(column: str, items: Sequence[int]) -> pl.Expr:
    return pl.col(column).is_in(pl.Series(items, dtype=pl.Int64).implode())  # a list would cost 8 ms
