"""Chapter on the data: flow chart, table 1, rows read."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from medpatch.config.cohort import Correction
from medpatch.config.name import Modality, Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.table import warehouse_file
from medpatch.evaluate.figure_cohort import AttritionStep, cohort_picture
from medpatch.evaluate.section import Item, Section
from medpatch.evaluate.stay import SEX, race_group
from medpatch.evaluate.table import ABSENT, Table, count, hidden_below

LARGEST_UNITS = 8
"""Care units that get their own row; the others share one."""


def cohort_section(warehouse_dir: Path | None, config: PipelineConfig) -> Section:
    """What the marts say; a mart that is not there has no table."""
    if warehouse_dir is None:
        return Section("Cohort", ())
    marts = {name: _read(warehouse_dir, name) for name in ("cohort_attrition", "row_account", "stay", "stay_index")}
    index = marts["stay_index"]
    splits = _split_counts(index) if index is not None else {}
    items: list[Item | None] = []
    if marts["cohort_attrition"] is not None:
        items += [cohort_picture(_steps(marts["cohort_attrition"]), splits), attrition_table(marts["cohort_attrition"])]
    if marts["stay"] is not None and index is not None:
        labels = _read(warehouse_dir, f"label_{_label_mart(config)}")
        items.append(table_one(marts["stay"], index, labels=labels, config=config))
    if marts["row_account"] is not None:
        items.append(account_table(marts["row_account"], config))
    return Section("Cohort", tuple(item for item in items if item is not None))


def attrition_table(mart: pl.DataFrame) -> Table:
    """Stays left after each criterion."""
    rows = tuple((s.criterion, count(s.stays_left), count(s.stays_lost), count(s.subjects_left)) for s in _steps(mart))
    caption = "ICU stays left after each criterion, in the order applied."
    columns = ("Criterion", "Stays left", "Stays lost", "Patients left")
    return Table("cohort", "Criteria", columns, rows, caption)


def account_table(mart: pl.DataFrame, config: PipelineConfig) -> Table:
    """Rows that every rule let through, and why a value can be unreadable under the run's extraction rules."""
    rows = tuple(
        (str(r["source"]), str(r["rule"]), count(r["rows_in"]), count(r["rows_kept"]))
        for r in mart.iter_rows(named=True)
    )
    caption = f"Every rule that may drop raw rows, with what went in and what stayed. {_why_unreadable(config)}"
    return Table("rows", "Rows read and kept", ("Source", "Rule", "Rows in", "Rows kept"), rows, caption)


def _why_unreadable(config: PipelineConfig) -> str:
    """Source: of the open demo's laboratory rows with ___ in the text, the number stands in valuenum alone."""
    if Correction.NUMBER_FROM_VALUENUM in config.cohort.rules:
        return "Value not readable: no number in the text (masked as ___, for example) and none in valuenum."
    return (
        "Value not readable: the published extraction reads the text of a measurement alone; a value masked as ___ "
        "keeps its number in valuenum only, and is lost. cohort.profile=corrected reads it there."
    )


def table_one(stay: pl.DataFrame, index: pl.DataFrame, *, labels: pl.DataFrame | None, config: PipelineConfig) -> Table:
    """Table 1: the stays of the task by split; a count below the smallest group is hidden.

    Args:
        stay: mart of the cohort.
        index: mart of the task's samples.
        labels: stay_id, label and, with many labels, phenotype; or None.
        config: modalities, smallest group.
    """
    smallest = config.evaluate.min_count
    both = index.join(stay.drop("subject_id", "hadm_id"), on="stay_id", how="inner")
    groups = {"All": both} | {str(s).capitalize(): both.filter(pl.col("split") == str(s)) for s in Split}

    def row(name: str, cell) -> tuple[str, ...]:
        return (name, *(cell(frame) for frame in groups.values()))

    def share(condition: pl.Expr):
        return lambda frame: _share(
            frame.select(condition.fill_null(False).sum()).item(), frame.height, smallest=smallest
        )

    def quartiles(column: str, digits: int):
        return lambda frame: _quartiles(frame[column], digits)

    race = both["race"].unique().to_list()
    spelled = {group: [r for r in race if race_group(r) == group] for group in sorted({race_group(r) for r in race})}
    units = both["first_careunit"].value_counts(sort=True)["first_careunit"].drop_nulls().to_list()
    rows = [
        row("Stays", lambda frame: count(frame.height)),
        row("Patients", lambda frame: count(frame["subject_id"].n_unique())),
        row("Age, years", quartiles("age_years", 0)),
        *(row(f"Sex: {words}", share(pl.col("gender") == sex)) for sex, words in SEX.items()),
        *(row(f"Race group: {group.title()}", share(pl.col("race").is_in(names, nulls_equal=True)))
          for group, names in spelled.items()),
        *(row(f"First care unit: {unit}", share(pl.col("first_careunit") == unit)) for unit in units[:LARGEST_UNITS]),
        *([row("First care unit: other", share(~pl.col("first_careunit").is_in(units[:LARGEST_UNITS])))]
          if len(units) > LARGEST_UNITS else []),
        row("ICU stay, hours", quartiles("los_hours", 1)),
        *(row(f"Has {m.upper()}", share(pl.col(_count_column(m)) > 0)) for m in config.modality.modalities),
        *(row(f"Label: {name}", share(pl.col("stay_id").is_in(ids.implode())))
          for name, ids in _positives(labels, config).items()),
    ]  # fmt: skip
    caption = (
        "Stays of the task. Numbers are n (%) of stays, or median (first and third quartile). Counts from 1 to "
        f"{smallest - 1} are hidden."
    )
    return Table("table_one", "Table 1: the cohort by split", ("", *groups), tuple(rows), caption)


def _share(part: int, whole: int, *, smallest: int) -> str:
    if 0 < part < smallest:
        return hidden_below(part, smallest)
    return f"{count(part)} ({100 * part / whole:.1f})" if whole else ABSENT


def _quartiles(column: pl.Series, digits: int) -> str:
    if column.drop_nulls().is_empty():
        return ABSENT
    low, middle, high = (column.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75))
    return f"{middle:.{digits}f} ({low:.{digits}f}, {high:.{digits}f})"


def _positives(labels: pl.DataFrame | None, config: PipelineConfig) -> Mapping[str, pl.Series]:
    if labels is None:
        return {}
    positive = labels.filter(pl.col("label") == 1)
    if "phenotype" not in labels.columns:
        return {config.labels[0]: positive["stay_id"]}
    return {name: positive.filter(pl.col("phenotype") == name)["stay_id"] for name in config.labels}


def _count_column(modality: Modality) -> str:
    return "ehr_event_count" if modality is Modality.EHR else f"{modality}_count"


def _label_mart(config: PipelineConfig) -> str:
    return "phenotype" if config.cohort.task is Task.PHENOTYPING else str(config.cohort.task)


def _split_counts(index: pl.DataFrame) -> dict[str, int]:
    return {str(split): index.filter(pl.col("split") == str(split)).height for split in Split}


def _steps(mart: pl.DataFrame) -> list[AttritionStep]:
    return [
        AttritionStep(str(r["criterion"]), r["stays_left"], r["stays_lost"], r["subjects_left"])
        for r in mart.sort("step").iter_rows(named=True)
    ]


def _read(warehouse_dir: Path, name: str) -> pl.DataFrame | None:
    path = warehouse_dir / warehouse_file(name)
    return pl.read_parquet(path) if path.is_file() else None
