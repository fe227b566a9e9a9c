"""Every number for machines: nested JSON, one long table, flat names for tracking."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.census import ALL, JUDGED, PATIENTS, POSITIVES, STAYS, available, having, positives_of
from medpatch.evaluate.chapter import Analyses
from medpatch.evaluate.estimate import DIGITS, Estimate
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.name import MEDPATCH
from medpatch.evaluate.replicate import METRICS
from medpatch.evaluate.summary import ModelResult, Score
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import Table, as_printed

HEADS_OF = {"": MEDPATCH, "_high": "medpatch_high", "_low": "medpatch_low"}


def to_json(
    verdict: Verdict, analyses: Analyses, *, config: PipelineConfig, made_up: str | None, shown: Disclosure
) -> dict[str, Any]:
    """The verdict and the analyses with their configuration; what does not exist or is hidden is null.

    Numbers of stays that are not counted, or whose positives are not, have the digits of the tables: more of them
    would tell the count.
    """
    whole = (STAYS, JUDGED, ALL), (POSITIVES, JUDGED, ALL)
    judged, analysed = (_told(_withheld(asdict(part), shown), *whole, shown=shown) for part in (verdict, analyses))
    content = {
        "task": str(config.cohort.task),
        "split": "test",
        "made_up": made_up,
        "config": config.flatten(),
        **judged,
        "analyses": analysed,
        "flat": {result.model: flat_metrics(verdict.results, result.model, shown=shown) for result in verdict.results},
    }
    return _null(content)


def long_table(verdict: Verdict, shown: Disclosure) -> Table:
    """One row per model, set of stays, label (or mean over labels) and metric; digits as in `to_json`."""
    rows = []
    for result in (*verdict.results, *verdict.own_stays):
        for score in _scores(result):
            head = (result.model, result.subset, score.name, *_counts(result.subset, score.name, shown))
            for metric in METRICS:
                rows.append((*head, metric, *_ends(getattr(score, metric), is_exact=all(head[-2:]))))
        if result.difference is not None:
            head = (result.model, result.subset, "macro", *_counts(result.subset, "macro", shown))
            rows.append((*head, "auroc_minus_best_single", *_ends(result.difference, is_exact=all(head[-2:]))))
    columns = ("model", "stays_with", "label", "stays", "positives", "metric", "value", "low", "high")
    return Table("metrics", "All numbers", columns, tuple(rows), "")


def flat_metrics(results: Sequence[ModelResult], model: str, *, shown: Disclosure) -> dict[str, float]:
    """Numbers of one model by the names that tracking uses; those that do not exist or are hidden are left out.

    Digits as in `to_json`.

    "test/auroc" and "test/auprc" with their ends, "test/auroc/<label>", "test/auroc_<group>"; for "medpatch" also
    its heads, "test/auroc_high" and "test/auroc_low".
    """
    by_name = {result.model: result for result in results}
    flat: dict[str, float | None] = {}
    for suffix, name in HEADS_OF.items() if model == MEDPATCH else [("", model)]:
        if name in by_name:
            score = by_name[name].macro
            flat |= {f"test/auroc{suffix}": score.auroc.value, f"test/auprc{suffix}": score.auprc.value}
    result = by_name[model]
    score = result.macro
    for metric in METRICS:
        found: Estimate = getattr(score, metric)
        flat |= {
            f"test/{metric}": found.value,
            f"test/{metric}_interval_low": found.low,
            f"test/{metric}_interval_high": found.high,
        }
    flat |= {
        "test/stays": shown.of((STAYS, JUDGED, result.subset)),
        "test/positives": shown.of((POSITIVES, JUDGED, result.subset)),
        "test/gap_closed": result.gap_closed,
        "test/auroc_oracle": result.oracle_auroc,
        "test/auroc_minus_best_single": result.difference.value if result.difference else None,
    }
    stays = STAYS, JUDGED, result.subset
    flat = _told(flat, stays, (POSITIVES, JUDGED, result.subset), shown=shown)
    for group in result.groups:
        flat |= _told({f"test/auroc_{group.name}": group.auroc.value}, stays, positives_of(group.name), shown=shown)
    for label in result.labels:
        own = {f"test/auroc/{label.name}": label.auroc.value, f"test/auprc/{label.name}": label.auprc.value}
        flat |= _told(own, stays, positives_of(label.name), shown=shown)
    return {name: float(value) for name, value in flat.items() if value is not None and math.isfinite(value)}


def _scores(result: ModelResult) -> tuple[Score, ...]:
    return (result.macro, *result.groups, *(result.labels if len(result.labels) > 1 else ()))


def _key(measure: str, subset: str, score: str) -> tuple[str, str, str]:
    """Name of a score's count; that of a label within a part of the stays is in no ledger."""
    if score == "macro":
        return measure, JUDGED, subset
    return positives_of(score) if subset == ALL else (measure, JUDGED, f"{subset}, {score}")


def _counts(subset: str, score: str, shown: Disclosure) -> tuple[str, str]:
    """Stays and positives as text; nothing where they are hidden."""
    keys = (STAYS, JUDGED, subset), _key(POSITIVES, subset, score)
    found = (shown.of(key) if key in shown.value else None for key in keys)
    return tuple("" if value is None else str(value) for value in found)


def _told(value: Any, *counts: tuple, shown: Disclosure) -> Any:
    """The numbers as they are where all those counts are shown, else with the digits of the tables."""
    return value if all(key in shown.value and shown.of(key) is not None for key in counts) else _rounded(value)


def _withheld(value: Any, shown: Disclosure, subset: str = ALL) -> Any:
    """The same with every count replaced by what may be shown of it."""

    def of(key: tuple) -> int | None:
        return shown.of(key) if key in shown.value else None

    if isinstance(value, list | tuple):
        return [_withheld(below, shown, subset) for below in value]
    if not isinstance(value, dict):
        return value
    subset = value.get("subset", subset)
    found = {key: _withheld(below, shown, subset) for key, below in value.items()}
    own = {}
    if "positives" in value:
        own["positives"] = of(_key(POSITIVES, subset, value["name"]))
    if "subjects" in value:
        own |= {
            "stays": of((STAYS, JUDGED, subset)),
            "subjects": of((PATIENTS, JUDGED, subset)),
            "available": of(available(value["model"])) if subset == ALL else None,
        }
    elif "stays" in value:
        is_group = "variable" in value
        key = (STAYS, JUDGED, f"{value['variable']}: {value['group']}") if is_group else having(value["modality"])
        own["stays"] = of(key)
    counts = [own.get("positives", 0), own.get("stays", 0), found["macro"]["positives"] if "macro" in found else 0]
    return (_rounded(found) if None in counts else found) | own


def _rounded(value: Any) -> Any:
    """The same with the digits of the tables."""
    if isinstance(value, dict):
        return {key: _rounded(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(below) for below in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def _ends(estimate: Estimate, *, is_exact: bool) -> tuple[str, str, str]:
    """Value, low and high as text."""
    found = estimate if is_exact else as_printed(estimate)
    return _text(found.value), _text(found.low), _text(found.high)


def _text(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def _null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _null(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_null(below) for below in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
