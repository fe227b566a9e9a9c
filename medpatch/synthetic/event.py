"""Rows of event tables before they get identifiers: stay, second after intime, item, value, unit."""

from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Moments:
    """Stay row and seconds after intime of R moments."""

    stay: np.ndarray
    second: np.ndarray

    def take(self, rows: np.ndarray) -> "Moments":
        return Moments(self.stay[rows], self.second[rows])


def number_frame(at: Moments, itemid: np.ndarray, *, value: np.ndarray, unit: np.ndarray | str) -> pl.DataFrame:
    """Rows whose text is their number."""
    unit = np.full(len(value), unit, dtype=object) if isinstance(unit, str) else unit
    return pl.DataFrame(
        {
            "stay": at.stay,
            "second": at.second,
            "itemid": itemid.astype(np.int64),
            "number": value.astype(float),
            "valueuom": pl.Series(unit.tolist(), dtype=pl.String),
        }
    ).select(
        "stay",
        "second",
        "itemid",
        number_text(pl.col("number")).alias("value"),
        number_text(pl.col("number")).alias("valuenum"),
        pl.when(pl.col("valueuom") != "").then(pl.col("valueuom")).alias("valueuom"),
    )


def text_frame(at: Moments, itemid: int, *, value: list[str], number: list[str | None] | None = None) -> pl.DataFrame:
    """Rows whose text is no number, or not the one in valuenum."""
    return pl.DataFrame(
        {
            "stay": at.stay,
            "second": at.second,
            "itemid": np.full(len(value), itemid, dtype=np.int64),
            "value": pl.Series(value, dtype=pl.String),
            "valuenum": pl.Series(number or [None] * len(value), dtype=pl.String),
            "valueuom": pl.Series([None] * len(value), dtype=pl.String),
        }
    )


def number_text(value: pl.Expr) -> pl.Expr:
    """Numbers as MIMIC writes them: 98.6, but 60 and not 60.0."""
    return value.cast(pl.String).str.replace(r"\.0$", "")
