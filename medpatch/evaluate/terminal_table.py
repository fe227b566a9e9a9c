"""What the result table on a screen says of each model."""

import math
from collections.abc import Sequence

from medpatch.evaluate.census import ALL, JUDGED, POSITIVES, STAYS, available
from medpatch.evaluate.estimate import Estimate
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import number, percent, point
from medpatch.evaluate.table_result import share_shown
from medpatch.evaluate.terminal import Line, ResultTable


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
        stays, positives = (STAYS, JUDGED, ALL), (POSITIVES, JUDGED, ALL)
        with_input = share_shown(available(result.model), stays, shown=shown)
        numbers = [point(score.brier), point(score.ece), shown.words(stays), with_input, shown.words(positives)]
        if has_oracle:
            numbers += [number(result.oracle_auroc, score.auroc.digits), percent(result.gap_closed)]
        lines.append(Line(result.model, _three(score.auroc), _three(score.auprc), tuple(numbers)))
    caption = "Every model on every test stay; without its input a model says the train prevalence."
    if has_oracle:
        caption += " Gap closed: share of the way from the strongest single modality here to the oracle of all."
    return ResultTable(title, columns, tuple(lines), f"{level:.0%}", caption, made_up)


def _three(estimate: Estimate) -> tuple[str, str, str] | None:
    if not math.isfinite(estimate.value):
        return None
    digits = estimate.digits
    return number(estimate.value, digits), number(estimate.low, digits), number(estimate.high, digits)
