"""Results as tables of text, and their Markdown and CSV."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from medpatch.evaluate.name import MEDPATCH, style
from medpatch.evaluate.summary import Estimate, ModelResult, Score

ABSENT = "–"


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns.

    Attributes:
        name: file stem.
        title: heading.
        columns: names; the first column is words, the others are numbers.
        rows: one tuple per row.
        caption: what the columns mean.
        strong: numbers of the rows to emphasise.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    strong: tuple[int, ...] = ()


def main_table(results: Sequence[ModelResult], *, level: float, best_single: str | None, labels_total: int) -> Table:
    """One row per model on every stay of the split; oracle columns only where there is an oracle."""
    has_oracle = any(r.oracle_auroc is not None for r in results)
    ci = f"[{level:.0%} CI]"
    columns = ["Model", f"AUROC {ci}", f"AUPRC {ci}", "Brier", "ECE", "Stays", "With input", "Positives"]
    rows = []
    for result in results:
        score = result.macro
        row = [
            style(result.model).label,
            interval(score.auroc),
            interval(score.auprc),
            number(score.brier),
            number(score.ece),
            count(result.stays),
            count(result.available),
            count(score.positives),
        ]
        if has_oracle:
            row += [number(result.oracle_auroc), percent(result.gap_closed)]
        rows.append(tuple(row))
    if has_oracle:
        columns += ["Oracle AUROC", "Gap closed"]
    caption = _main_caption(results, level=level, best_single=best_single, labels_total=labels_total)
    strong = tuple(i for i, r in enumerate(results) if r.model == MEDPATCH)
    return Table("result", "Results", tuple(columns), tuple(rows), caption, strong)


def calibration_table(results: Sequence[ModelResult], *, level: float, best_single: str | None) -> Table:
    """Calibration and the paired difference from the best single modality."""
    rival = style(best_single).label if best_single else "best single"
    columns = ("Model", "Brier", "ECE", "Slope", "Intercept", f"AUROC minus {rival} [{level:.0%} CI]")
    rows = tuple(
        (
            style(r.model).label,
            number(r.macro.brier),
            number(r.macro.ece),
            number(r.macro.slope, 2),
            signed(r.macro.intercept, 2),
            ABSENT if r.difference is None or r.model == best_single else interval(r.difference, plus=True),
        )
        for r in results
    )
    caption = (
        "Slope below 1: the model is too sure; intercept above 0: it says too little (calibration in the large). ECE: "
        "gap between confidence and accuracy of the 0.5 decision, equal bins. The difference uses the same resampled "
        "patients for both models; an interval that holds 0 does not show a difference."
    )
    return Table("calibration", "Calibration and paired difference", columns, rows, caption)


def subset_table(results: Sequence[ModelResult], *, level: float) -> Table:
    """Single-modality models and MedPatch on the stays that have the modality."""
    ci = f"[{level:.0%} CI]"
    columns = ("Stays with", "Model", f"AUROC {ci}", f"AUPRC {ci}", "Brier", "ECE", "Stays", "Positives")
    rows = tuple(
        (
            r.subset.upper(),
            style(r.model).label,
            interval(r.macro.auroc),
            interval(r.macro.auprc),
            number(r.macro.brier),
            number(r.macro.ece),
            count(r.stays),
            count(r.macro.positives),
        )
        for r in results
    )
    caption = "Each modality's own model beside MedPatch, on the stays that have this modality."
    return Table("own_stays", "On each modality's own stays", columns, rows, caption)


def group_table(results: Sequence[ModelResult], *, level: float) -> Table:
    """Macro AUROC over acute, mixed and chronic conditions."""
    groups = [score.name for score in results[0].groups]
    columns = ("Model", *(f"{g.capitalize()} AUROC [{level:.0%} CI]" for g in groups))
    rows = tuple((style(r.model).label, *(interval(s.auroc) for s in r.groups)) for r in results)
    sizes = ", ".join(f"{s.name}: {s.labels} of {s.labels_total} labels" for s in results[0].groups)
    return Table("groups", "By kind of condition", columns, rows, f"Macro means; {sizes}.")


def label_table(main: ModelResult, single: ModelResult | None, *, level: float) -> Table:
    """Every label of the reported model."""
    ci = f"[{level:.0%} CI]"
    columns = ["Label", "Kind", f"AUROC {ci}", f"AUPRC {ci}", "Positives", "Share", "Brier", "Slope"]
    if single is not None:
        columns.append(f"AUROC of {style(single.model).label}")
    rows = []
    for place, score in enumerate(main.labels):
        row = [
            score.name,
            score.group or ABSENT,
            interval(score.auroc),
            interval(score.auprc),
            count(score.positives),
            percent(score.positives / main.stays),
            number(score.brier),
            number(score.slope, 2),
        ]
        if single is not None:
            row.append(number(single.labels[place].auroc.value))
        rows.append(tuple(row))
    return Table("labels", "Each label", tuple(columns), tuple(rows), f"{style(main.model).label}, every stay.")


def to_markdown(table: Table) -> str:
    """The table in Markdown, caption below."""
    head = "| " + " | ".join(table.columns) + " |"
    rule = "|" + "|".join(":---" if is_words else "---:" for is_words in words(table)) + "|"
    body = [
        "| " + " | ".join(_bold(cell, i in table.strong) for cell in row) + " |" for i, row in enumerate(table.rows)
    ]
    return "\n".join([head, rule, *body]) + (f"\n\n{table.caption}\n" if table.caption else "\n")


def to_csv(table: Table) -> str:
    """The table in CSV, without the caption."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([table.columns, *table.rows])
    return out.getvalue()


def words(table: Table) -> tuple[bool, ...]:
    """Which columns hold words, to be set flush left: the first, and those with a cell that begins with a letter."""
    return tuple(
        place == 0 or any(row[place][:1].isalpha() for row in table.rows) for place in range(len(table.columns))
    )


def number(value: float | None, digits: int = 3) -> str:
    """Fixed digits; a dash where there is no value."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """Like `number`, with + or −."""
    return ABSENT if not math.isfinite(value) else f"{value:+.{digits}f}".replace("-", "−")


def percent(value: float | None) -> str:
    """Whole percent."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.0%}".replace("-", "−")


def count(value: int) -> str:
    """Whole number with thousands separated."""
    return f"{value:,}"


def interval(estimate: Estimate, *, plus: bool = False) -> str:
    """Value and interval: "0.842 [0.801, 0.880]"."""
    write = signed if plus else number
    if not math.isfinite(estimate.value):
        return ABSENT
    return f"{write(estimate.value)} [{write(estimate.low)}, {write(estimate.high)}]"


def _bold(cell: str, is_strong: bool) -> str:
    safe = cell.replace("|", "\\|")
    return f"**{safe}**" if is_strong else safe


def _main_caption(results: Sequence[ModelResult], *, level: float, best_single: str | None, labels_total: int) -> str:
    score: Score = results[0].macro
    parts = []
    if labels_total > 1:
        parts.append(f"Macro means over {score.labels} of {labels_total} labels; positives are stay-label pairs.")
    parts.append(
        f"Every model is judged on every test stay; one that lacks its input says the train prevalence. {level:.0%} "
        "percentile intervals over resampled patients."
    )
    if any(r.oracle_auroc is not None for r in results):
        rival = style(best_single).label if best_single else "the best single modality"
        parts.append(
            "Oracle: the best AUROC that is possible with the same inputs, computed from the process that made the "
            f"data. Gap closed: (AUROC − AUROC of {rival}) / (oracle AUROC of all inputs − AUROC of {rival}); "
            f"{rival} is the best single modality on validation."
        )
    return " ".join(parts)
