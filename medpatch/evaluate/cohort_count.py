"""What table 1 counts: stays and patients of the task by split, by who they are, what they bring and their labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from medpatch.config.name import Modality, Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.table import warehouse_file
from medpatch.evaluate.stay import SEX, race_group

LARGEST_UNITS = 8
"""Care units that get their own row; the others share one."""
ALL = "all"
UNIT, OTHER_UNIT = "First care unit", "First care unit: other"


@dataclass(frozen=True)
class CohortCount:
    """Numbers of table 1, each by column: "all" and the splits.

    Attributes:
        stays: column -> stays.
        patients: column -> patients.
        quartiles: row -> column -> first, second and third quartile, None without values.
        groups: row ("Sex: Female", "Has CXR", "Label: Shock") -> column -> stays.
    """

    stays: Mapping[str, int]
    patients: Mapping[str, int]
    quartiles: Mapping[str, Mapping[str, tuple[float, float, float] | None]]
    groups: Mapping[str, Mapping[str, int]]


def read_mart(warehouse_dir: Path, name: str) -> pl.DataFrame | None:
    """A table of the warehouse, if it is there."""
    path = warehouse_dir / warehouse_file(name)
    return pl.read_parquet(path) if path.is_file() else None


def read_cohort(warehouse_dir: Path | None, config: PipelineConfig) -> CohortCount | None:
    """The counts of the marts; None without them."""
    if warehouse_dir is None:
        return None
    stay, index = read_mart(warehouse_dir, "stay"), read_mart(warehouse_dir, "stay_index")
    if stay is None or index is None:
        return None
    mart = "phenotype" if config.cohort.task is Task.PHENOTYPING else str(config.cohort.task)
    return count_cohort(stay, index, labels=read_mart(warehouse_dir, f"label_{mart}"), config=config)


def count_cohort(
    stay: pl.DataFrame, index: pl.DataFrame, *, labels: pl.DataFrame | None, config: PipelineConfig
) -> CohortCount:
    """Count.

    Args:
        stay: mart of the cohort.
        index: mart of the task's samples.
        labels: stay_id, label and, with many labels, phenotype; or None.
        config: modalities, labels.
    """
    both = index.join(stay.drop("subject_id", "hadm_id"), on="stay_id", how="inner")
    columns = {ALL: both} | {str(s): both.filter(pl.col("split") == str(s)) for s in Split}
    race = both["race"].unique().to_list()
    spelled = {group: [r for r in race if race_group(r) == group] for group in sorted({race_group(r) for r in race})}
    units = both["first_careunit"].value_counts(sort=True)["first_careunit"].drop_nulls().to_list()
    rows = {f"Sex: {words}": pl.col("gender") == sex for sex, words in SEX.items()}
    rows |= {f"Race group: {g.title()}": pl.col("race").is_in(names, nulls_equal=True) for g, names in spelled.items()}
    rows |= {f"{UNIT}: {unit}": pl.col("first_careunit") == unit for unit in units[:LARGEST_UNITS]}
    if len(units) > LARGEST_UNITS:
        rows[OTHER_UNIT] = ~pl.col("first_careunit").is_in(units[:LARGEST_UNITS])
    rows |= {f"Has {m.upper()}": pl.col(_count_column(m)) > 0 for m in config.modality.modalities}
    rows |= {
        f"Label: {name}": pl.col("stay_id").is_in(ids.implode()) for name, ids in _positives(labels, config).items()
    }
    return CohortCount(
        stays={name: frame.height for name, frame in columns.items()},
        patients={name: frame["subject_id"].n_unique() for name, frame in columns.items()},
        quartiles={
            row: {name: _quartiles(frame[column]) for name, frame in columns.items()}
            for row, column in (("Age, years", "age_years"), ("ICU stay, hours", "los_hours"))
        },
        groups={
            row: {name: int(frame.select(is_in.fill_null(False).sum()).item()) for name, frame in columns.items()}
            for row, is_in in rows.items()
        },
    )


def _quartiles(column: pl.Series) -> tuple[float, float, float] | None:
    if column.drop_nulls().is_empty():
        return None
    low, middle, high = (column.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75))
    return low, middle, high


def _positives(labels: pl.DataFrame | None, config: PipelineConfig) -> Mapping[str, pl.Series]:
    if labels is None:
        return {}
    positive = labels.filter(pl.col("label") == 1)
    if "phenotype" not in labels.columns:
        return {config.labels[0]: positive["stay_id"]}
    return {name: positive.filter(pl.col("phenotype") == name)["stay_id"] for name in config.labels}


def _count_column(modality: Modality) -> str:
    return "ehr_event_count" if modality is Modality.EHR else f"{modality}_count"
