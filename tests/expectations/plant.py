"""Ways of spoiling one row of a made-up table, so that one expectation fails."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from medpatch.config.pipeline import PipelineConfig

from .world import MORTALITY, Tables

Plant = Callable[[Tables], Tables]


@dataclass(frozen=True)
class Case:
    """One bad row and the one expectation that it breaks.

    Attributes:
        suite: name of the suite.
        expectation: meta.name of the expectation.
        plant: spoils clean tables.
        config: the configuration under which the tables are judged.
        table: which table is judged where a suite serves several.
    """

    suite: str
    expectation: str
    plant: Plant
    config: PipelineConfig = field(default=MORTALITY, repr=False)
    table: str = ""

    def __str__(self) -> str:
        return f"{self.suite}-{self.expectation}"


def cases(suite: str, plants: dict[str, Plant], **more: Any) -> list[Case]:
    """Cases of one suite, by expectation."""
    return [Case(suite, name, plant, **more) for name, plant in plants.items()]


def put(table: str, *rows: int, **values: Any) -> Plant:
    """Other values in some rows (the first, if none is named); a callable receives the row."""

    def plant(tables: Tables) -> Tables:
        changed = tables[table].rows(named=True)
        for row in rows or (0,):
            changed[row] = _changed(changed[row], values)
        return tables | {table: pl.DataFrame(changed, schema=tables[table].schema)}

    return plant


def again(table: str, row: int = 0, **values: Any) -> Plant:
    """A copy of one row at the end, with other values."""

    def plant(tables: Tables) -> Tables:
        return add(table, **_changed(tables[table].row(row, named=True), values))(tables)

    return plant


def add(table: str, **values: Any) -> Plant:
    """One more row at the end."""
    return lambda tables: (
        tables | {table: pl.concat([tables[table], pl.DataFrame([values], schema=tables[table].schema)])}
    )


def keep(table: str, rows: pl.Expr) -> Plant:
    """Only the rows that meet a condition."""
    return lambda tables: tables | {table: tables[table].filter(rows)}


def everywhere(table: str, **values: pl.Expr) -> Plant:
    """Other values in every row."""
    return lambda tables: tables | {table: tables[table].with_columns(**values).cast(dict(tables[table].schema))}


def both(*plants: Plant) -> Plant:
    """One plant after the other."""

    def plant(tables: Tables) -> Tables:
        for each in plants:
            tables = each(tables)
        return tables

    return plant


def _changed(row: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    return row | {name: value(row) if callable(value) else value for name, value in values.items()}
