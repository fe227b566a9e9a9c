"""Every metric of every label in every resample of the patients; several runs of one model become their mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from medpatch.evaluate.bootstrap import Draws, replicate
from medpatch.evaluate.calibration import Recalibration, confidence_bins, recalibrate

Floats = NDArray[np.floating]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Replicates:
    """Each (R, K), paired across models that share the same Draws; NaN where a resample has no value.

    Attributes:
        auroc: area under the ROC curve.
        auprc: average precision.
        brier: mean squared error of the probability.
        ece: expected calibration error.
        slope: calibration slope.
        intercept: calibration in the large.
    """

    auroc: Floats
    auprc: Floats
    brier: Floats
    ece: Floats
    slope: Floats
    intercept: Floats


METRICS = tuple(field.name for field in fields(Replicates))


def replicate_all(
    logit: Floats,
    probability: Floats,
    *,
    label: NDArray,
    draws: Draws,
    bins: int,
    fitted: Recalibration | None = None,
    progress: Progress | None = None,
) -> Replicates:
    """All six metrics in R resamples.

    Args:
        logit: (N, K).
        probability: (N, K).
        label: (N, K) 0 or 1.
        draws: R resamples of the subjects of these N stays.
        bins: of the expected calibration error.
        fitted: recalibration of these stays, if it is known already.
        progress: called with (labels ranked, K).

    Source: slope and intercept take one Newton step from the estimate of all stays, a k-step bootstrap
    (Davidson and MacKinnon 1999, doi:10.1111/1468-2354.00022; Andrews 2002, doi:10.1111/1468-0262.00271);
    the other four are exact.
    """
    ranked = replicate(logit, label, draws=draws, progress=progress)
    brier, ece = _errors(probability, label, draws=draws, bins=bins)
    slope, intercept = _recalibrated(logit, label, draws=draws, found=fitted or recalibrate(logit, label))
    return Replicates(auroc=ranked.auroc, auprc=ranked.auprc, brier=brier, ece=ece, slope=slope, intercept=intercept)


def draw_runs(runs: int, *, resamples: int, seed: int) -> Floats:
    """(S, R) how often each of S runs was drawn: as many as there are, with replacement, independent of patients."""
    random = np.random.default_rng([seed, runs])
    drawn = random.integers(0, runs, (runs, resamples))
    return np.stack([(drawn == run).sum(axis=0) for run in range(runs)]).astype(float)


def over_runs(each: Sequence[Replicates], drawn: Floats) -> Replicates:
    """The mean over the runs that each resample drew.

    Args:
        each: one per run, on the same patients drawn.
        drawn: (S, R) from `draw_runs`.
    """
    if len(each) == 1:
        return each[0]
    return Replicates(**{n: mean_of_drawn(np.stack([getattr(one, n) for one in each]), drawn) for n in METRICS})


def mean_of_drawn(value: Floats, drawn: Floats) -> Floats:
    """(R, ...) mean over the runs that each resample drew, of (S, R, ...); NaN where none of them has a value."""
    weight = drawn.reshape(drawn.shape + (1,) * (value.ndim - 2))
    is_there = np.isfinite(value)
    total = np.where(is_there, value * weight, 0).sum(axis=0)
    count = (is_there * weight).sum(axis=0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def summed(column: Floats, draws: Draws) -> Floats:
    """(R, C) sum of every column of (N, C) over the drawn stays."""
    return summed_each([column], draws)[0]


def summed_each(columns: Sequence[Floats], draws: Draws) -> list[Floats]:
    """`summed` of several (N, C)."""
    stays, subjects = len(draws.subject), len(draws.count)
    owner = sparse.csr_array((np.ones(stays), (draws.subject, np.arange(stays))), shape=(subjects, stays))
    return [draws.count.T @ (owner @ column).astype(np.float32) for column in columns]


def _errors(probability: Floats, label: NDArray, *, draws: Draws, bins: int) -> tuple[Floats, Floats]:
    labels = label.shape[1]
    gap, place = confidence_bins(probability, label, bins=bins)
    gaps = [np.where(place == number, gap, 0.0) for number in np.unique(place)]
    drawn, squares, *gaps = summed_each([np.ones((len(label), 1)), (probability - label) ** 2, *gaps], draws)
    ece = np.zeros((draws.count.shape[1], labels))
    for one in gaps:
        ece += np.abs(one) / drawn
    return (squares / drawn).astype(float), ece


def _recalibrated(logit: Floats, label: NDArray, *, draws: Draws, found: Recalibration) -> tuple[Floats, Floats]:
    x = np.clip(logit.astype(float), -found.limit, found.limit)
    with np.errstate(invalid="ignore"):
        shifted = expit(x + found.intercept)
        p = expit(found.slope_intercept + found.slope * x)
    weight, rest = p * (1 - p), label - p
    away = x - x.mean(axis=0)  # the slope is the same, the determinant keeps its digits
    columns = [np.ones((len(label), 1)), label.astype(float), label - shifted, shifted * (1 - shifted)]
    columns += [weight * away**power for power in (0, 1, 2)] + [rest * away**power for power in (0, 1)]
    drawn, positives, left, curvature, *moments = summed_each(columns, draws)
    w0, w1, w2, r0, r1 = (moment.astype(float) for moment in moments)
    has_both = (positives > 0) & (positives < drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        intercept = np.where(has_both, found.intercept + left / curvature, np.nan)
        slope = found.slope + (w0 * r1 - w1 * r0) / (w0 * w2 - w1**2)
    return np.where(has_both & np.isfinite(slope), slope, np.nan), intercept.astype(float)
