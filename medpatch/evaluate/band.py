"""Curves of several training seeds as one: the mean over the seeds, with a band over resampled patients and seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.bootstrap import draw_subjects
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.replicate import draw_runs, mean_of_drawn

Floats = NDArray[np.floating]

MOST_RESAMPLES = 200
"""A band is read by eye; more resamples would not be seen."""


@dataclass(frozen=True)
class Cumulated:
    """What lies at or above each distinct score, from the highest down; T distinct scores, R resamples.

    Attributes:
        score: (T,) descending.
        positive: (T, R) weight of the positives.
        negative: (T, R) weight of the negatives.
    """

    score: Floats
    positive: Floats
    negative: Floats


@dataclass(frozen=True)
class Band:
    """Ends of a pointwise interval, each (G,)."""

    low: Floats
    high: Floats


Curve = Callable[[Cumulated], Floats]
"""Weights at and above each score -> (G, R) curve on a grid of its own."""


def cumulate(score: Floats, label: NDArray, weight: Floats) -> Cumulated:
    """Sums of the weights (N, R) over scores (N,) from the highest down; equal scores are one step."""
    order = np.argsort(-score, kind="stable")
    ordered, is_positive = score[order], (np.asarray(label)[order] > 0)[:, None]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    drawn = weight[order]
    positive = np.cumsum(np.where(is_positive, drawn, 0), axis=0, dtype=float)[last]
    return Cumulated(ordered[last], positive, np.cumsum(drawn, axis=0, dtype=float)[last] - positive)


def roc_on(grid: Floats) -> Curve:
    """True-positive rate at each false-positive rate; NaN in a resample of one class."""

    def curve(found: Cumulated) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            x, y = found.negative / found.negative[-1], found.positive / found.positive[-1]
        start = np.zeros((1, x.shape[1]))
        x, y = np.concatenate([start, x]), np.concatenate([start, y])
        return np.stack([np.interp(grid, x[:, r], y[:, r]) for r in range(x.shape[1])], axis=1)

    return curve


def precision_on(grid: Floats) -> Curve:
    """Precision at the first score that reaches each recall; NaN in a resample without positives."""
    wanted = np.maximum(grid, 1e-9) - 1e-9

    def curve(found: Cumulated) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = found.positive / found.positive[-1]
            precision = found.positive / (found.positive + found.negative)
        steps = len(recall) - 1
        return np.stack(
            [
                precision[np.minimum(np.searchsorted(recall[:, r], wanted), steps), r]
                if np.isfinite(recall[-1, r])
                else np.full(len(grid), np.nan)
                for r in range(recall.shape[1])
            ],
            axis=1,
        )

    return curve


def net_benefit_on(threshold: Floats) -> Curve:
    """Net benefit at each threshold probability, as `decision.net_benefit`."""
    odds = (threshold / (1 - threshold))[:, None]

    def curve(found: Cumulated) -> Floats:
        reached = np.searchsorted(-found.score, -threshold, side="right")  # how many distinct scores reach it
        start = np.zeros((1, found.positive.shape[1]))
        positive, negative = (np.concatenate([start, part])[reached] for part in (found.positive, found.negative))
        return (positive - odds * negative) / (found.positive[-1] + found.negative[-1])

    return curve


def band(
    runs: Sequence[SplitPrediction],
    model: str,
    *,
    curve: Curve,
    columns: Sequence[int],
    config: EvaluateConfig,
    uses_probability: bool = False,
) -> Band:
    """Pointwise interval of a model's curve, averaged over labels and drawn seeds.

    Args:
        runs: one per training seed, the same stays.
        model: which.
        curve: of one label of one run.
        columns: labels that are averaged.
        config: resamples (at most `MOST_RESAMPLES`), level, seed.
        uses_probability: the curve is of probabilities, not of logits.
    """
    resamples = min(config.bootstrap_resamples, MOST_RESAMPLES)
    draws = draw_subjects(runs[0].subject_id, resamples=resamples, seed=config.seed)
    drawn, weight = draw_runs(len(runs), resamples=resamples, seed=config.seed), draws.count[draws.subject]
    each = []
    for run in runs:
        found = run.models[model]
        score = found.probability if uses_probability else found.logit
        labels = np.stack([curve(cumulate(score[:, k], run.label[:, k], weight)) for k in columns])
        each.append(_mean(labels).T)
    return ends(mean_of_drawn(np.stack(each), drawn), level=config.interval_level)


def ends(value: Floats, *, level: float) -> Band:
    """Middle `level` of the resamples of (R, G); NaN where none has a value."""
    low, high = np.full((2, value.shape[1]), np.nan)
    known = np.isfinite(value).any(axis=0)
    if known.any():
        low[known], high[known] = np.nanquantile(value[:, known], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Band(low, high)


def _mean(value: Floats) -> Floats:
    """Mean over the first axis of what exists."""
    known = np.isfinite(value)
    count = known.sum(axis=0)
    total = np.where(known, value, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
