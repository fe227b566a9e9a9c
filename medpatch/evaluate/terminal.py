"""The result table on a screen: one line per model where it fits, two in 80 characters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from medpatch.evaluate.census import ALL, JUDGED, POSITIVES, STAYS, available
from medpatch.evaluate.estimate import Estimate
from medpatch.evaluate.name import MADE_UP, MEDPATCH, style
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import number, percent

WIDE = 98


@dataclass(frozen=True)
class Line:
    """One model's row.

    Attributes:
        model: name in the prediction table.
        auroc: value, low, high; None where it does not exist.
        auprc: likewise.
        numbers: further cells as text, one per further column.
    """

    model: str
    auroc: tuple[str, str, str] | None
    auprc: tuple[str, str, str] | None
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class ResultTable:
    """What rich prints.

    Attributes:
        title: above the table.
        columns: headings after the model, AUROC and AUPRC.
        lines: one per model.
        level: of the intervals, as text: "95%".
        caption: how to read it.
        made_up: statement about invented data, or None.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    level: str
    caption: str
    made_up: str | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's own hook: yield what to print in the width there is."""
        is_wide = options.max_width >= WIDE
        ranged = f"{'' if is_wide else chr(10)}({self.level} CI)"
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        table.add_column("Model", no_wrap=True)
        for name in (f"AUROC {ranged}", f"AUPRC {ranged}"):
            table.add_column(Text(name), justify="right", no_wrap=True)
        for name in self.columns:
            table.add_column(Text(name.replace(" ", "\n")), justify="right", no_wrap=True)
        for line in self.lines:
            cells = [
                style(line.model).short,
                _range(line.auroc, is_wide=is_wide),
                _range(line.auprc, is_wide=is_wide),
                *line.numbers,
            ]
            table.add_row(*map(Text, cells), style="bold" if line.model == MEDPATCH else None)
        yield Text(self.title, style="bold")
        if self.made_up:
            yield Text(f"{MADE_UP}: {self.made_up}", style="bold red")
        yield table
        yield Text(self.caption, style="dim")


def build_result_table(
    results: Sequence[ModelResult], *, title: str, level: float, made_up: str | None, shown: Disclosure
) -> ResultTable:
    """The terminal table of these results; oracle columns only where there is an oracle."""
    has_oracle = any(r.oracle_auroc is not None for r in results)
    columns = (
        "Brier",
        "ECE",
        "Stays",
        "With input",
        "Posi- tives",
        *(("Oracle AUROC", "Gap closed") if has_oracle else ()),
    )
    lines = []
    for result in results:
        score = result.macro
        counts = (STAYS, JUDGED, ALL), available(result.model), (POSITIVES, JUDGED, ALL)
        numbers = [number(score.brier.value), number(score.ece.value), *map(shown.words, counts)]
        if has_oracle:
            numbers += [number(result.oracle_auroc), percent(result.gap_closed)]
        lines.append(Line(result.model, _three(score.auroc), _three(score.auprc), tuple(numbers)))
    caption = "Every model on every test stay; without its input a model says the train prevalence."
    if has_oracle:
        caption += " Gap closed: share of the way from the strongest single modality here to the oracle of all."
    return ResultTable(title, columns, tuple(lines), f"{level:.0%}", caption, made_up)


def to_json(table: ResultTable) -> dict[str, Any]:
    """Plain values, the inverse of `from_json`."""
    return asdict(table)


def from_json(value: Mapping[str, Any]) -> ResultTable:
    """The table that `to_json` described."""
    lines = tuple(
        Line(
            model=line["model"],
            auroc=None if line["auroc"] is None else tuple(line["auroc"]),
            auprc=None if line["auprc"] is None else tuple(line["auprc"]),
            numbers=tuple(line["numbers"]),
        )
        for line in value["lines"]
    )
    return ResultTable(**{**value, "columns": tuple(value["columns"]), "lines": lines})


def _range(value: tuple[str, str, str] | None, *, is_wide: bool) -> str:
    if value is None:
        return "–"
    middle, low, high = value
    return f"{middle}{' ' if is_wide else chr(10)}{low.removeprefix('0')}–{high.removeprefix('0')}"


def _three(estimate: Estimate) -> tuple[str, str, str] | None:
    if not math.isfinite(estimate.value):
        return None
    return number(estimate.value), number(estimate.low), number(estimate.high)
