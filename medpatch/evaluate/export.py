"""Every number for machines: nested JSON, one long table, flat names for tracking."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.chapter import Analyses
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.name import MEDPATCH
from medpatch.evaluate.replicate import METRICS
from medpatch.evaluate.summary import Estimate, ModelResult, Score
from medpatch.evaluate.table import Table

HEADS_OF = {"": MEDPATCH, "_high": "medpatch_high", "_low": "medpatch_low"}


def to_json(verdict: Verdict, analyses: Analyses, *, config: PipelineConfig, made_up: str | None) -> dict[str, Any]:
    """The verdict and the analyses with their configuration; a number that does not exist is null."""
    content = {
        "task": str(config.cohort.task),
        "split": "test",
        "made_up": made_up,
        "config": config.flatten(),
        **asdict(verdict),
        "analyses": asdict(analyses),
        "flat": {result.model: flat_metrics(verdict.results, result.model) for result in verdict.results},
    }
    return _null(content)


def long_table(verdict: Verdict) -> Table:
    """One row per model, set of stays, label (or mean over labels) and metric, at full precision."""
    rows = []
    for result in (*verdict.results, *verdict.own_stays):
        for score in _scores(result):
            head = (result.model, result.subset, score.name, str(result.stays), str(score.positives))
            for metric in METRICS:
                found: Estimate = getattr(score, metric)
                rows.append((*head, metric, _text(found.value), _text(found.low), _text(found.high)))
        if result.difference is not None:
            gap = result.difference
            head = (result.model, result.subset, "macro", str(result.stays), str(result.macro.positives))
            rows.append((*head, "auroc_minus_best_single", _text(gap.value), _text(gap.low), _text(gap.high)))
    columns = ("model", "stays_with", "label", "stays", "positives", "metric", "value", "low", "high")
    return Table("metrics", "All numbers", columns, tuple(rows), "")


def flat_metrics(results: Sequence[ModelResult], model: str) -> dict[str, float]:
    """Numbers of one model by the names that tracking uses; those that do not exist are left out.

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
        "test/stays": result.stays,
        "test/positives": score.positives,
        "test/gap_closed": result.gap_closed,
        "test/auroc_oracle": result.oracle_auroc,
        "test/auroc_minus_best_single": result.difference.value if result.difference else None,
    }
    flat |= {f"test/auroc_{group.name}": group.auroc.value for group in result.groups}
    for label in result.labels:
        flat |= {f"test/auroc/{label.name}": label.auroc.value, f"test/auprc/{label.name}": label.auprc.value}
    return {name: float(value) for name, value in flat.items() if value is not None and math.isfinite(value)}


def _scores(result: ModelResult) -> tuple[Score, ...]:
    return (result.macro, *result.groups, *(result.labels if len(result.labels) > 1 else ()))


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
