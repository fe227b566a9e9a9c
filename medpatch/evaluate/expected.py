"""AUROC without the luck of the labels, for made-up cohorts whose probabilities are known."""

import numpy as np
from numpy.typing import NDArray


def expected_auroc(score: NDArray, probability: NDArray) -> float:
    """Macro AUROC that a score has on average over labels drawn from the oracle's probabilities.

    What a model has understood, without the luck of the labels: among a few dozen deaths that luck is larger than
    the differences between models. It is the expected number of pairs in the right order, equal scores counting half,
    over the expected number of pairs.

    Args:
        score: (N, K).
        probability: (N, K) of the labels, drawn independently.
    """
    return float(np.mean([_one_label(score[:, k], probability[:, k]) for k in range(score.shape[1])]))


def _one_label(score: NDArray, probability: NDArray) -> float:
    _, group = np.unique(score, return_inverse=True)  # equal scores are a group, lowest first
    positive = np.bincount(group, probability)
    negative = np.bincount(group, 1 - probability)
    itself = probability * (1 - probability)  # a stay is not compared with itself
    below = np.cumsum(negative) - negative
    right = (positive * (below + negative / 2)).sum() - itself.sum() / 2
    return right / (positive.sum() * negative.sum() - itself.sum())
