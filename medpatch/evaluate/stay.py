"""What is known about the judged stays besides their predictions: modalities, sex, age, race group, care unit."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medpatch.config.error import ContractError
from medpatch.config.name import Modality
from medpatch.config.path import SQL_DIR
from medpatch.contract.table import warehouse_file
from medpatch.contract.tensor import MANIFEST

RACE_FILE = "race_group.csv"
OTHER, UNKNOWN = "OTHER", "UNKNOWN"
SEX = {"F": "Female", "M": "Male"}


@dataclass(frozen=True)
class StayFacts:
    """One row per judged stay, in the order of the predictions.

    Attributes:
        presence: modality -> (N,) bool, what the stay brings.
        subgroup: variable, in words -> (N,) group of each stay.
    """

    presence: Mapping[Modality, NDArray[np.bool_]]
    subgroup: Mapping[str, NDArray[np.str_]]


def read_facts(
    stay_id: NDArray[np.int64],
    modalities: Sequence[Modality],
    *,
    tensor_dir: Path | None,
    warehouse_dir: Path | None,
    age_edges_years: Sequence[int],
) -> StayFacts:
    """Facts of these stays; what has no folder is empty.

    Args:
        stay_id: (N,).
        modalities: of the run.
        tensor_dir: its manifest says what a stay brings.
        warehouse_dir: its `stay` table says who the patient is.
        age_edges_years: lower ends of the age bands after the first.

    Raises:
        ContractError: a table lacks a stay.
    """
    presence: dict[Modality, NDArray[np.bool_]] = {}
    if tensor_dir is not None:
        columns = [f"has_{m}" for m in modalities]
        rows = _rows(tensor_dir / MANIFEST, stay_id, columns=columns)
        presence = {m: rows[f"has_{m}"].to_numpy() for m in modalities} if rows is not None else {}
    subgroup: dict[str, NDArray[np.str_]] = {}
    if warehouse_dir is not None:
        path = warehouse_dir / warehouse_file("stay")
        rows = (
            _rows(path, stay_id, columns=["gender", "age_years", "race", "first_careunit"]) if path.is_file() else None
        )
        if rows is not None:
            subgroup = {
                "Sex": np.array([SEX.get(value, UNKNOWN) for value in rows["gender"]]),
                "Age": age_bands(rows["age_years"].to_numpy(), age_edges_years),
                "Race group": np.array([race_group(value).title() for value in rows["race"]]),
                "First care unit": np.array([value or UNKNOWN for value in rows["first_careunit"]]),
            }
    return StayFacts(presence=presence, subgroup=subgroup)


def combinations(presence: Mapping[Modality, NDArray[np.bool_]]) -> NDArray[np.str_]:
    """(N,) exact set of modalities of each stay: "EHR + CXR"; "none" for a stay without any."""
    names = list(presence)
    here = np.column_stack([presence[m] for m in names])
    words = {
        tuple(row): " + ".join(str(m).upper() for m, is_here in zip(names, row, strict=True) if is_here) or "none"
        for row in np.unique(here, axis=0).tolist()
    }
    return np.array([words[tuple(row)] for row in here.tolist()])


def age_bands(age_years: NDArray, edges: Sequence[int]) -> NDArray[np.str_]:
    """(N,) "18 to 44", "45 to 64", ...: bands that begin at the edges, years inclusive; no age is unknown."""
    lower = [None, *edges]
    names = [
        f"under {edges[0]}" if low is None else f"{low} to {high - 1}" if high else f"{low} and over"
        for low, high in zip(lower, [*edges, None], strict=True)
    ]
    age = np.asarray(age_years, float)
    found = np.array(names)[np.searchsorted(np.asarray(edges), np.nan_to_num(age), side="right")]
    return np.where(np.isfinite(age), found, UNKNOWN)


def race_group(race: str | None) -> str:
    """The group of a release's spelling of race, by the prefixes of the seed file; itself for a group."""
    if not race:
        return UNKNOWN
    return next((group for prefix, group in _prefixes() if race.startswith(prefix)), OTHER)


@cache
def _prefixes() -> tuple[tuple[str, str], ...]:
    with (SQL_DIR / "seed" / RACE_FILE).open(encoding="utf-8", newline="") as file:
        return tuple((row["race_prefix"], row["race_group"]) for row in csv.DictReader(file))


def _rows(path: Path, stay_id: NDArray[np.int64], *, columns: Sequence[str]) -> pl.DataFrame | None:
    """Those columns for the stays, in their order; None where the table has no such columns."""
    try:
        table = pl.scan_parquet(path)
        if not set(columns) <= set(table.collect_schema().names()):
            return None
        wanted = pl.LazyFrame({"stay_id": stay_id, "place": np.arange(len(stay_id))})
        found = wanted.join(table.select("stay_id", *columns), on="stay_id", how="inner").sort("place").collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ContractError(f"{path}: cannot be read ({error}); run the step that makes it") from error
    if found.height != len(stay_id):
        raise ContractError(
            f"{path.name}: holds {found.height} rows for {len(stay_id)} judged stays, expected one each; predictions "
            "and tables come from different runs, predict again"
        )
    return found
