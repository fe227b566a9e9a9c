"""DeLong's test: two correlated AUROCs of one label, without resampling."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Components:
    """What each stay adds to an AUROC.

    Attributes:
        auroc: the mean of either side.
        positive: (P,) share of negatives that this positive outranks, ties half.
        negative: (Q,) share of positives that outrank this negative, ties half.
    """

    auroc: float
    positive: Floats
    negative: Floats


def components(score: Floats, label: NDArray) -> Components | None:
    """Structural components of the AUROC of score (N,) and label (N,); None with one class.

    Source: DeLong et al. 1988 (doi:10.2307/2531595), by midranks as Sun and Xu 2014 (doi:10.1109/LSP.2014.2337313).
    """
    is_positive = np.asarray(label) > 0
    high, low = score[is_positive], score[~is_positive]
    if not len(high) or not len(low):
        return None
    joint = rankdata(np.concatenate([high, low]))
    positive = (joint[: len(high)] - rankdata(high)) / len(low)
    negative = 1 - (joint[len(high) :] - rankdata(low)) / len(high)
    return Components(auroc=float(positive.mean()), positive=positive, negative=negative)


def delong_p(one: Sequence[Components], other: Sequence[Components]) -> float:
    """Two-sided p-value of equal AUROC, each the mean over the runs of its model; NaN where it has no spread.

    Stays are taken as independent, which several stays of one patient are not; the paired bootstrap over
    patients is the main comparison.
    """
    positive = np.mean([c.positive for c in one], axis=0) - np.mean([c.positive for c in other], axis=0)
    negative = np.mean([c.negative for c in one], axis=0) - np.mean([c.negative for c in other], axis=0)
    spread = np.sqrt(_variance(positive) + _variance(negative))
    if not spread > 0:
        return float("nan")
    return float(2 * norm.sf(abs(positive.mean()) / spread))


def _variance(component: Floats) -> float:
    return float(component.var(ddof=1) / len(component)) if len(component) > 1 else float("nan")
