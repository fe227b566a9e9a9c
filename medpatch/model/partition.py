"""Tokens the model is sure of, and the others, each pooled per label."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class CountedPools:
    """Pools and how many tokens are in them.

    Attributes:
        pools: means of both groups.
        high_count: (B, K) tokens in the first group.
        token_count: (B, 1) real tokens.
    """

    pools: Pools
    high_count: Tensor
    token_count: Tensor


def is_high(confidence: Tensor, token_mask: Tensor, *, threshold: float | Tensor) -> Tensor:
    """Which real tokens are at or above the threshold: (B, N, K) bool."""
    return (confidence >= threshold) & token_mask.unsqueeze(-1)


def pool_by_confidence(tokens: Tensor, confidence: Tensor, token_mask: Tensor, threshold: float | Tensor) -> Pools:
    """Pool each stay's tokens by label and by confidence.

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
    return count_and_pool(tokens, confidence, token_mask=token_mask, threshold=threshold).pools


def count_and_pool(
    tokens: Tensor, confidence: Tensor, *, token_mask: Tensor, threshold: float | Tensor
) -> CountedPools:
    """Pools together with the sizes of their groups; arguments and errors as in `pool_by_confidence`.

    One batched matrix product reads the tokens once: K rows of weights sum the high tokens of each label, one
    more row sums all real tokens, and the low sums are the difference. Nothing of size B x N x K x D exists, and
    the tokens are not copied. Sums are in float32 at least, also under autocast, as a difference of rounded sums
    would not do.
    """
    if tokens.shape[:2] != confidence.shape[:2] or tokens.shape[:2] != token_mask.shape:
        raise ValueError(
            f"pool_by_confidence: tokens {tuple(tokens.shape)}, confidence {tuple(confidence.shape)} and "
            f"token_mask {tuple(token_mask.shape)} must agree on (B, N)"
        )
    dtype = torch.promote_types(torch.promote_types(tokens.dtype, confidence.dtype), torch.float32)
    real = token_mask.unsqueeze(-1)
    confidence = confidence.to(dtype).masked_fill(~real, 0.0)
    weight = torch.cat([is_high(confidence, token_mask, threshold=threshold), real], dim=-1).to(dtype)  # (B, N, K + 1)
    count = weight.sum(dim=1)  # (B, K + 1), exact: whole numbers
    high_count, token_count = count[:, :-1], count[:, -1:]
    total = _weighted_sums(weight, tokens.to(dtype), real=real)  # (B, K + 1, D)
    high_sum, low_sum = total[:, :-1], total[:, -1:] - total[:, :-1]
    high_score = (confidence * weight[..., :-1]).sum(dim=1)
    low_score = confidence.sum(dim=1) - high_score
    low_count = token_count - high_count
    return CountedPools(
        Pools(
            high=_mean(high_sum, high_count.unsqueeze(-1)),
            low=_mean(low_sum, low_count.unsqueeze(-1)),
            high_confidence=_mean(high_score, high_count),
            low_confidence=_mean(low_score, low_count),
        ),
        high_count=high_count,
        token_count=token_count,
    )


def _weighted_sums(weight: Tensor, tokens: Tensor, *, real: Tensor) -> Tensor:
    """(B, N, W), (B, N, D), (B, N, 1) -> (B, W, D)."""
    with torch.autocast(tokens.device.type, enabled=False):
        total = weight.transpose(1, 2) @ tokens
        if not bool(total.isfinite().all()):  # a weight of zero does not silence a NaN or an infinity in padding
            total = weight.transpose(1, 2) @ tokens.masked_fill(~real, 0.0)
    return total


def _mean(total: Tensor, count: Tensor) -> Tensor:
    # "total minus high" leaves rounding dust in an empty low group: it is set to an exact zero
    return torch.where(count > 0, total / count.clamp_min(1), torch.zeros_like(total))
