"""AUROC, AUPRC and Brier score of many labels; a label with one class is named, not fatal."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpatch.evaluate.ranking import RankMetrics, rank, weighted_metrics

Floats = NDArray[np.floating]


class SingleClassWarning(UserWarning):
    """A label has only positives or only negatives in a split, so that ranking metrics do not exist."""


@dataclass(frozen=True)
class Macro:
    """Mean over the labels that have a value.

    Attributes:
        value: the mean; NaN if no label has a value.
        defined: how many labels it is the mean of.
        total: K.
    """

    value: float
    defined: int
    total: int


def auroc(score: Floats, label: NDArray, *, weight: Floats | None = None) -> Floats:
    """(K,) probability that a positive outranks a negative, ties counting half; NaN with one class.

    Args:
        score: (N, K) logits or probabilities.
        label: (N, K) 0 or 1.
        weight: (N,) weight of each stay; default 1.

    Raises:
        ValueError: shapes disagree or a score is not a number.
    """
    return rank_metrics(score, label, weight=weight).auroc


def rank_metrics(score: Floats, label: NDArray, *, weight: Floats | None = None) -> RankMetrics:
    """AUROC and AUPRC, each (K,), from one sort per label; arguments and errors as `auroc`.

    AUPRC is the area under the precision-recall steps, as scikit-learn's average_precision_score; NaN with one
    class. Deviates: scikit-learn gives 0 without positives and 1 without negatives.
    """
    _check(score, label)
    column = np.ones((len(score), 1)) if weight is None else np.asarray(weight, float)[:, None]
    stay = np.arange(len(score))
    each = [
        weighted_metrics(rank(score[:, k], label[:, k], subject=stay, subjects=len(score)), column)
        for k in range(score.shape[1])
    ]
    return RankMetrics(auroc=np.array([e.auroc[0] for e in each]), auprc=np.array([e.auprc[0] for e in each]))


def brier(probability: Floats, label: NDArray) -> Floats:
    """(K,) mean squared distance of probability (N, K) from label (N, K)."""
    _check(probability, label)
    return np.mean((probability - label) ** 2, axis=0)


def macro(value: Floats) -> Macro:
    """Mean of (K,) over the labels that have a value."""
    is_defined = np.isfinite(value)
    mean = float(np.mean(value[is_defined])) if is_defined.any() else float("nan")
    return Macro(value=mean, defined=int(is_defined.sum()), total=len(value))


def single_class_labels(label: NDArray, names: Sequence[str], *, split: str) -> tuple[str, ...]:
    """Names of the labels with one class, each also said in a SingleClassWarning.

    Args:
        label: (N, K) 0 or 1.
        names: K names.
        split: where this is, for the message.
    """
    positives = np.asarray(label).sum(axis=0)
    found = []
    for name, count in zip(names, positives, strict=True):
        if 0 < count < len(label):
            continue
        found.append(name)
        only = "positive" if count else "negative"
        warnings.warn(
            f"label {name!r}: all {len(label)} stays of the {split} split are {only}; "
            "AUROC and AUPRC are undefined and left out of the macro mean",
            SingleClassWarning,
            stacklevel=2,
        )
    return tuple(found)


def _check(score: Floats, label: NDArray) -> None:
    if score.ndim != 2 or score.shape != np.shape(label):
        raise ValueError(f"score {score.shape} and label {np.shape(label)} must both be (N, K)")
    if np.isnan(score).any():
        raise ValueError(f"score has {int(np.isnan(score).sum())} NaN in {score.shape}; look at the model")
