"""Tokens the model is sure of, and the others, each pooled per label."""

from typing import NamedTuple

import torch
from torch import Tensor


class Pools(NamedTuple):
    """Means of both groups; zeros where a group has no token.

    Attributes:
        high: (B, K, D) mean of the tokens at or above the threshold.
        low: (B, K, D) mean of the other real tokens.
        high_confidence: (B, K) their mean confidence.
        low_confidence: (B, K) likewise.
    """

    high: Tensor
    low: Tensor
    high_confidence: Tensor
    low_confidence: Tensor


def is_high(confidence: Tensor, token_mask: Tensor, threshold: float | Tensor) -> Tensor:
    """Which real tokens are at or above the threshold: (B, N, K) bool."""
    return (confidence >= threshold) & token_mask.unsqueeze(-1)


def pool_by_confidence(tokens: Tensor, confidence: Tensor, token_mask: Tensor, threshold: float | Tensor) -> Pools:
    """Pool each stay's tokens by label and by confidence.

    Both groups cost one batched matrix product: the low sums are the total minus the high sums, and nothing
    of size B x N x K x D exists.

    Args:
        tokens: (B, N, D).
        confidence: (B, N, K).
        token_mask: (B, N) bool, True where the token is real; others are in neither group.
        threshold: a number, or (K,) one per label.

    Returns:
        high, low, high_confidence, low_confidence, unpackable in this order.

    Raises:
        ValueError: the three disagree on (B, N).

    Source: MedPatch, confidence-guided patching. Deviates: padding is in no group.
    """
    if tokens.shape[:2] != confidence.shape[:2] or tokens.shape[:2] != token_mask.shape:
        raise ValueError(
            f"pool_by_confidence: tokens {tuple(tokens.shape)}, confidence {tuple(confidence.shape)} and "
            f"token_mask {tuple(token_mask.shape)} must agree on (B, N)"
        )
    real = token_mask.unsqueeze(-1)
    tokens = tokens.masked_fill(~real, 0.0)
    confidence = confidence.masked_fill(~real, 0.0)
    high_mask = is_high(confidence, token_mask, threshold)  # (B, N, K)
    high_count = high_mask.sum(dim=1)  # (B, K)
    low_count = token_mask.sum(dim=1, keepdim=True) - high_count
    high_sum = high_mask.to(tokens.dtype).transpose(1, 2) @ tokens  # (B, K, D)
    low_sum = tokens.sum(dim=1, keepdim=True) - high_sum
    high_score = (confidence * high_mask).sum(dim=1)
    low_score = confidence.sum(dim=1) - high_score
    return Pools(
        high=_mean(high_sum, high_count.unsqueeze(-1)),
        low=_mean(low_sum, low_count.unsqueeze(-1)),
        high_confidence=_mean(high_score, high_count),
        low_confidence=_mean(low_score, low_count),
    )


def _mean(total: Tensor, count: Tensor) -> Tensor:
    # "total minus high" leaves rounding dust in an empty low group: it is set to an exact zero
    return torch.where(count > 0, total / count.clamp_min(1), torch.zeros_like(total))
