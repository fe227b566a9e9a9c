"""Temperatures and thresholds, found after the weights and on other stays."""

import torch
from torch import Tensor

COLDEST, HOTTEST = 0.05, 20.0
BISECTIONS = 40


def fit_temperature(logits: Tensor, label: Tensor, *, centre: Tensor | None = None) -> Tensor:
    """The temperature of each label that makes the cross-entropy of centre + (logits - centre) / temperature smallest.

    The cross-entropy is convex in 1 / temperature, so its slope is bisected; the answer is exact up to
    rounding and kept within [0.05, 20]. A label with one class, or logits that are all at the centre, keeps 1.

    Args:
        logits: (R, K) of tokens or stays.
        label: (R, K) of 0 and 1.
        centre: (K,) the logits that no temperature moves; zeros if not given.

    Returns:
        (K,).
    """
    base = torch.zeros_like(logits[0]).double() if centre is None else centre.double()
    away, label = logits.double() - base, label.double()
    low = away.new_full((away.shape[1],), 1 / HOTTEST).log()
    high = away.new_full((away.shape[1],), 1 / COLDEST).log()
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        slope = ((torch.sigmoid(base + away * middle.exp()) - label) * away).mean(dim=0)
        low, high = torch.where(slope < 0, middle, low), torch.where(slope < 0, high, middle)
    has_both = (label.amax(dim=0) > label.amin(dim=0)) & (away.abs().amax(dim=0) > 0)
    return torch.where(has_both, torch.exp(-(low + high) / 2), 1.0).float()


def fit_threshold(score: Tensor, share: float) -> Tensor:
    """The score of each label that this share of tokens reaches: score (R, K) -> (K,).

    More tokens reach it where scores are equal. Where that would be every token, it is the next larger score, so
    that what little the scorer tells apart is told apart; a score that never varies has none.
    """
    ordered = score.sort(dim=0, descending=True).values
    limit = ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
    smallest = ordered[-1]
    larger = score.masked_fill(score <= smallest, torch.inf).amin(dim=0)
    return torch.where((limit <= smallest) & larger.isfinite(), larger, limit).clone()
