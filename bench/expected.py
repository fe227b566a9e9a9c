"""AUROC without the luck of the labels, for made-up cohorts whose probabilities are known."""

import numpy as np
from numpy.typing import NDArray


def expected_auroc(score: NDArray, probability: NDArray) -> float:
    """Macro AUROC that a score (N, K) has on average over labels drawn from the oracle's probabilities (N, K).

    What a model has understood, without the luck of the labels: among a few dozen deaths that luck is larger than
    the differences between models.
    """
    found = []
    for k in range(score.shape[1]):
        p = probability[np.argsort(score[:, k], kind="stable"), k]
        # a stay is not compared with itself
        below = np.cumsum(1 - p) - (1 - p)
        found.append((p * below).sum() / (p.sum() * (1 - p).sum() - (p * (1 - p)).sum()))
    return float(np.mean(found))
