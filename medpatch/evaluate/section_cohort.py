"""Chapter on the data: flow chart, table 1, rows read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from medpatch.config.cohort import Correction
from medpatch.config.name import Split
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.census import PATIENTS, PEOPLE, STAYS
from medpatch.evaluate.cohort_count import ALL, CohortCount, read_cohort, read_mart
from medpatch.evaluate.figure_cohort import AttritionStep, cohort_picture
from medpatch.evaluate.section import Item, Section
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import ABSENT, Table, count


@dataclass(frozen=True)
class CohortParts:
    """What the marts say; empty or None where one is not there.

    Attributes:
        steps: of the flow chart, in the order applied.
        counts: of table 1.
        account: rows of the row account: source, rule, rows_in, rows_kept.
    """

    steps: tuple[AttritionStep, ...] = ()
    counts: CohortCount | None = None
    account: tuple[Mapping[str, object], ...] = ()


def read_parts(warehouse_dir: Path | None, config: PipelineConfig) -> CohortParts:
    """The marts of a warehouse; nothing without one."""
    if warehouse_dir is None:
        return CohortParts()
    attrition, account = (read_mart(warehouse_dir, name) for name in ("cohort_attrition", "row_account"))
    return CohortParts(
        steps=() if attrition is None else _steps(attrition),
        counts=read_cohort(warehouse_dir, config),
        account=() if account is None else tuple(account.iter_rows(named=True)),
    )


def cohort_section(parts: CohortParts, config: PipelineConfig, *, shown: Disclosure) -> Section:
    """What the marts say; a mart that is not there has no table."""
    items: list[Item | None] = []
    if parts.steps:
        splits = {str(s): shown.words((STAYS, str(s), ALL)) for s in Split} if parts.counts is not None else {}
        items += [cohort_picture(parts.steps, splits, shown=shown), attrition_table(parts.steps, shown)]
    if parts.counts is not None:
        items.append(table_one(parts.counts, shown))
    if parts.account:
        items.append(account_table(parts.account, config, shown=shown))
    return Section("Cohort", tuple(item for item in items if item is not None))


def attrition_table(steps: Sequence[AttritionStep], shown: Disclosure) -> Table:
    """Stays left after each criterion."""
    keys = ((STAYS, "left"), (STAYS, "lost"), (PATIENTS, "left"))
    rows = tuple((s.criterion, *(shown.words((*key, place)) for key in keys)) for place, s in enumerate(steps))
    caption = "ICU stays left after each criterion, in the order applied."
    columns = ("Criterion", "Stays left", "Stays lost", "Patients left")
    return Table("cohort", "Criteria", columns, rows, caption)


def account_table(account: Sequence[Mapping[str, object]], config: PipelineConfig, *, shown: Disclosure) -> Table:
    """Rows that every rule let through, and why a value can be unreadable under the run's extraction rules."""
    rows = []
    for place, row in enumerate(account):
        source = str(row["source"])
        if source in PEOPLE:
            cells = [shown.words((name, source, place)) for name in ("rows in", "rows kept")]
        else:
            cells = [count(row["rows_in"]), count(row["rows_kept"])]
        rows.append((source, str(row["rule"]), *cells))
    caption = f"Every rule that may drop raw rows, with what went in and what stayed. {_why_unreadable(config)}"
    return Table("rows", "Rows read and kept", ("Source", "Rule", "Rows in", "Rows kept"), tuple(rows), caption)


def _why_unreadable(config: PipelineConfig) -> str:
    """Source: of the open demo's laboratory rows with ___ in the text, the number stands in valuenum alone."""
    if Correction.NUMBER_FROM_VALUENUM in config.cohort.rules:
        return "Value not readable: no number in the text (masked as ___, for example) and none in valuenum."
    return (
        "Value not readable: the published extraction reads the text of a measurement alone; a value masked as ___ "
        "keeps its number in valuenum only, and is lost. cohort.profile=corrected reads it there."
    )


def table_one(counts: CohortCount, shown: Disclosure) -> Table:
    """Table 1: the stays of the task by split."""
    columns = tuple(counts.stays)

    def spread(row: str, digits: int) -> tuple[str, ...]:
        return (row, *(_quartiles(counts.quartiles[row][c], digits) for c in columns))

    def group(row: str) -> tuple[str, ...]:
        return (row, *(_share(row, c, shown=shown) for c in columns))

    who = [row for row in counts.groups if not row.startswith(("Has ", "Label: "))]
    rows = (
        ("Stays", *(shown.words((STAYS, c, ALL)) for c in columns)),
        ("Patients", *(shown.words((PATIENTS, c, ALL)) for c in columns)),
        spread("Age, years", 0),
        *map(group, who),
        spread("ICU stay, hours", 1),
        *(group(row) for row in counts.groups if row not in who),
    )
    caption = (
        "Stays of the task. Numbers are n (%) of stays, or median (first and third quartile). Counts from 1 to "
        f"{shown.smallest - 1}, and counts from which one of them could be worked out, are hidden."
    )
    return Table("table_one", "Table 1: the cohort by split", ("", *(c.capitalize() for c in columns)), rows, caption)


def _share(row: str, column: str, *, shown: Disclosure) -> str:
    words, part, whole = (
        shown.words((STAYS, column, row)), shown.of((STAYS, column, row)), shown.of((STAYS, column, ALL)),
    )  # fmt: skip
    if whole == 0:
        return ABSENT
    return words if part is None or whole is None else f"{words} ({100 * part / whole:.1f})"


def _quartiles(found: tuple[float, float, float] | None, digits: int) -> str:
    if found is None:
        return ABSENT
    low, middle, high = found
    return f"{middle:.{digits}f} ({low:.{digits}f}, {high:.{digits}f})"


def _steps(mart: pl.DataFrame) -> tuple[AttritionStep, ...]:
    return tuple(
        AttritionStep(str(r["criterion"]), r["stays_left"], r["stays_lost"], r["subjects_left"])
        for r in mart.sort("step").iter_rows(named=True)
    )
