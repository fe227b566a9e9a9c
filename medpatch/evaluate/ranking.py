"""AUROC and average precision under many sets of weights at once, from one sort per label.

Both numbers depend on the scores only through this: between which positives does each negative fall, and
which does it tie with. That is worked out once; every set of weights then needs only sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.floating]

FEWEST_FOR_ROWS = 16
"""Sets of weights from which adding row by row pays."""


@dataclass(frozen=True)
class Ranking:
    """Where the stays of one label stand, counted per subject, whom weights belong to.

    Attributes:
        count: (3G + 1, S) sparse. For the g-th of G distinct positive scores, ascending: row g has the positives
            with it; row G + g the negatives under it and not under the one before; row 2G + g the negatives
            that tie with it. The last row has all negatives.
        steps: G.
    """

    count: sparse.csr_array
    steps: int


@dataclass(frozen=True)
class RankMetrics:
    """AUROC and average precision, each (R,), NaN where the weights leave one class empty."""

    auroc: Floats
    auprc: Floats


def rank(score: Floats, label: NDArray, *, subject: NDArray[np.integer], subjects: int) -> Ranking:
    """The order of one label's stays.

    Args:
        score: (N,) any number that grows with the probability.
        label: (N,) 0 or 1.
        subject: (N,) index of the stay's subject, 0 to subjects - 1.
        subjects: S.
    """
    is_positive = np.asarray(label) > 0
    distinct, group = np.unique(score[is_positive], return_inverse=True)
    other, owner = score[~is_positive], subject[~is_positive]
    first_at_least = np.searchsorted(distinct, other, side="left")
    first_above = np.searchsorted(distinct, other, side="right")
    is_under_some = first_above < len(distinct)
    is_tied = first_at_least < first_above
    steps = len(distinct)
    row = (
        group,
        steps + first_above[is_under_some],
        2 * steps + first_at_least[is_tied],
        np.full(len(owner), 3 * steps),
    )
    column = (subject[is_positive], owner[is_under_some], owner[is_tied], owner)
    place = (np.concatenate(row), np.concatenate(column))
    count = sparse.coo_array((np.ones(len(place[0]), np.float32), place), shape=(3 * steps + 1, subjects))
    return Ranking(count=count.tocsr(), steps=steps)


def weighted_metrics(ranking: Ranking, weight: Floats) -> RankMetrics:
    """AUROC and average precision for every column of weights.

    Args:
        ranking: G distinct positive scores, S subjects.
        weight: (S, R) weight of each subject, at least 0; float32 is exact for counts that sum below 2^24.

    Source: AUROC as the probability that a positive outranks a negative, ties counting half; average
    precision as scikit-learn's step-wise sum over distinct thresholds, without interpolation.
    """
    counted = ranking.count.astype(weight.dtype, copy=False) @ weight  # (3G + 1, R)
    positive, below, tied, (negative,) = np.split(counted, ranking.steps * np.arange(1, 4))
    _running_sum(below)
    hits = positive[::-1].copy()
    _running_sum(hits)
    hits = hits[::-1]  # positives at or above each score
    total_positive = positive.sum(axis=0, dtype=np.float64)
    total_negative = negative.astype(np.float64)
    below_or_half = np.divide(tied, 2, out=tied)  # from here on in place: new memory costs more than the sums
    below_or_half += below
    outranked = np.multiply(positive, below_or_half, out=below_or_half).sum(axis=0, dtype=np.float64)
    called = np.subtract(negative, below, out=below)  # negatives at or above each score, then all stays there
    called += hits
    # at the top of the list no stay may carry weight; the precision there is then 0, not 0 / 0
    np.maximum(called, np.finfo(called.dtype).tiny, out=called)
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc = outranked / (total_positive * total_negative)
        gained = np.divide(hits, called, out=hits)  # precision
        gained *= positive
        auprc = gained.sum(axis=0, dtype=np.float64) / total_positive
    is_defined = (total_positive > 0) & (total_negative > 0)
    return RankMetrics(auroc=np.where(is_defined, auroc, np.nan), auprc=np.where(is_defined, auprc, np.nan))


def _running_sum(rows: Floats) -> None:
    """Cumulative sum over the first axis, in place; additions of long rows are ten times as fast as np.cumsum."""
    if rows.shape[1] < FEWEST_FOR_ROWS:
        np.cumsum(rows, axis=0, out=rows)
        return
    for g in range(1, len(rows)):
        rows[g] += rows[g - 1]
