"""Macro AUROC for choosing an epoch; the reported one, with intervals, comes from `evaluate`."""

import torch
from torch import Tensor


def macro_auroc(score: Tensor, label: Tensor) -> tuple[float, int]:
    """Mean AUROC over the labels that have both classes, and how many have only one.

    Args:
        score: (B, K), any increasing function of the probability.
        label: (B, K) of 0 and 1.

    Returns:
        The mean, nan if no label has both classes, and the number of labels left out.
    """
    positive = label.sum(dim=0).double()  # (K,)
    negative = len(label) - positive
    is_ranked = (positive > 0) & (negative > 0)
    if not bool(is_ranked.any()):
        return float("nan"), label.shape[1]
    value = [_auroc(score[:, k].double(), label[:, k] > 0.5) for k in is_ranked.nonzero().flatten().tolist()]
    return float(sum(value) / len(value)), int((~is_ranked).sum())


def _auroc(score: Tensor, is_positive: Tensor) -> float:
    # Mann-Whitney: mean rank of the positives, ties share their mean rank
    _, group, count = torch.unique(score, return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    rank = (last - (count - 1) / 2)[group]
    positives = int(is_positive.sum())
    negatives = len(score) - positives
    return float((rank[is_positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
