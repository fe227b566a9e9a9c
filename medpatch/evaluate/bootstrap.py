"""Intervals by resampling patients: a patient's stays are drawn or left out together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpatch.evaluate.ranking import rank, weighted_metrics

Floats = NDArray[np.floating]

BLOCK_CELLS = 4_000_000
"""Positives times resamples worked on at once: 16 MB for each of a handful of arrays."""
THREADS = 2
DRAWN_AT_ONCE = 32
"""Resamples counted in one go; the draws do not depend on it."""


@dataclass(frozen=True)
class Draws:
    """R resamples of S subjects.

    Attributes:
        count: (S, R) how often each subject was drawn.
        subject: (N,) index of each stay's subject.
    """

    count: Floats
    subject: NDArray[np.integer]


@dataclass(frozen=True)
class Replicates:
    """Every resample's metrics; paired across models that share the same Draws.

    Attributes:
        auroc: (R, K), NaN where a resample has one class.
        auprc: (R, K), likewise.
    """

    auroc: Floats
    auprc: Floats


@dataclass(frozen=True)
class Interval:
    """Percentile interval of one number.

    Attributes:
        low: lower end; NaN if no resample has a value.
        high: upper end.
        defined: resamples that had a value.
    """

    low: float
    high: float
    defined: int


def draw_subjects(subject_id: NDArray, *, resamples: int, seed: int) -> Draws:
    """Draw as many subjects as there are, with replacement, `resamples` times.

    Args:
        subject_id: (N,) subject of each stay.
        resamples: R.
        seed: same seed, same draws, whatever the model.

    Source: cluster bootstrap; stays of one patient are not independent.
    Deviates: the published code draws rows, which makes intervals too narrow.
    """
    distinct, subject = np.unique(subject_id, return_inverse=True)
    random = np.random.default_rng(seed)
    size = len(distinct)
    count = np.empty((size, resamples), np.float32)  # exact for counts
    for start in range(0, resamples, DRAWN_AT_ONCE):
        rows = min(DRAWN_AT_ONCE, resamples - start)
        drawn = random.integers(0, size, (rows, size)) + size * np.arange(rows)[:, None]
        count[:, start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).T
    return Draws(count=count, subject=subject)


def replicate(
    score: Floats,
    label: NDArray,
    *,
    draws: Draws,
    progress: Callable[[int, int], None] | None = None,
) -> Replicates:
    """AUROC and AUPRC of every label in every resample.

    Args:
        score: (N, K) logits or probabilities.
        label: (N, K) 0 or 1.
        draws: R resamples of the subjects of these N stays.
        progress: called with (labels done, K).
    """
    resamples, labels = draws.count.shape[1], score.shape[1]
    auroc, auprc = np.full((2, resamples, labels), np.nan)

    def one_label(k: int) -> None:
        ranking = rank(score[:, k], label[:, k], subject=draws.subject, subjects=len(draws.count))
        width = max(1, BLOCK_CELLS // max(1, ranking.steps))
        for start in range(0, resamples, width):
            block = slice(start, start + width)
            found = weighted_metrics(ranking, draws.count[:, block])
            auroc[block, k], auprc[block, k] = found.auroc, found.auprc

    with ThreadPoolExecutor(THREADS) as pool:
        for done, _ in enumerate(pool.map(one_label, range(labels)), start=1):
            if progress is not None:
                progress(done, labels)
    return Replicates(auroc=auroc, auprc=auprc)


def macro_replicates(value: Floats) -> Floats:
    """(R,) mean over the labels that have a value in the resample, from (R, K); NaN where none has.

    Deviates: the published macro interval is the mean of the labels' interval ends, which is too wide.
    """
    is_defined = np.isfinite(value)
    total = np.where(is_defined, value, 0.0).sum(axis=1)
    count = is_defined.sum(axis=1)
    return np.divide(total, count, out=np.full(len(value), np.nan), where=count > 0)


def percentile_interval(value: Floats, *, level: float) -> Interval:
    """Interval that holds the middle `level` of the (R,) resamples that have a value."""
    kept = value[np.isfinite(value)]
    if not len(kept):
        return Interval(low=float("nan"), high=float("nan"), defined=0)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), defined=len(kept))


def percentile_intervals(value: Floats, *, level: float) -> list[Interval]:
    """`percentile_interval` of every row of (C, R); rows that are whole are sorted together."""
    is_whole = np.isfinite(value).all(axis=1)
    ends = np.full((2, len(value)), np.nan)
    if is_whole.any():
        ends[:, is_whole] = np.quantile(value[is_whole], [(1 - level) / 2, (1 + level) / 2], axis=1)
    return [
        Interval(low=float(low), high=float(high), defined=value.shape[1])
        if whole
        else percentile_interval(row, level=level)
        for whole, row, low, high in zip(is_whole, value, *ends, strict=True)
    ]
