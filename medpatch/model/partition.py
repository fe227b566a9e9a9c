"""Tokens the model is sure of, and the others, each pooled per label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

Threshold = float | Sequence[float] | Tensor


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


def is_high(confidence: Tensor, token_mask: Tensor, *, threshold: Threshold) -> Tensor:
    """Which real tokens are at or above the threshold: (B, N, K) bool.

    The threshold is rounded as the scores are, so that a score written down as the threshold reaches it in every type.
    """
    dtype = confidence.dtype if confidence.is_floating_point() else torch.float32
    limit = torch.as_tensor(threshold, dtype=dtype, device=confidence.device)
    return (confidence >= limit) & token_mask.unsqueeze(-1)


def pool_by_confidence(tokens: Tensor, confidence: Tensor, token_mask: Tensor, threshold: Threshold) -> Pools:
    """Pool each stay's tokens by label and by confidence.

    Args:
        tokens: (B, N, D).
        confidence: (B, N, K).
        token_mask: (B, N), True or 1 where the token is real; others are in neither group.
        threshold: a number, (K,) one per label, or (N, K) one per position and label.

    Returns:
        high, low, high_confidence, low_confidence, unpackable in this order; float32 for shorter floats.

    Raises:
        ValueError: the three disagree on (B, N), or an axis is missing.

    Source: MedPatch, confidence-guided patching. Deviates: padding is in no group. As the larger group of a label is
    total - smaller group, a real token that is not finite spoils both, and one in the smaller group that is many times
    larger than the others costs the larger group digits.
    """
    return count_and_pool(tokens, confidence, token_mask=token_mask, threshold=threshold).pools


def count_and_pool(tokens: Tensor, confidence: Tensor, *, token_mask: Tensor, threshold: Threshold) -> CountedPools:
    """Pools together with the sizes of their groups; arguments and errors as in `pool_by_confidence`.

    One batched matrix product reads the tokens once: K rows of weights sum the smaller group of each label, one more
    row sums all real tokens, and the larger groups are the difference; they have at least half of the tokens, so that
    tokens of like size cost them no digits. Nothing of size B x N x K x D exists, and the tokens are not copied. Sums
    are in float32 at least, also under autocast, as a difference of rounded sums would not do.
    """
    is_whole = tokens.dim() == 3 and confidence.dim() == 3
    if not is_whole or tokens.shape[:2] != confidence.shape[:2] or tokens.shape[:2] != token_mask.shape:
        raise ValueError(
            f"pool_by_confidence: tokens {tuple(tokens.shape)}, confidence {tuple(confidence.shape)} and "
            f"token_mask {tuple(token_mask.shape)} must agree on (B, N), as (B, N, D), (B, N, K) and (B, N)"
        )
    token_mask = token_mask.bool()
    high = is_high(confidence, token_mask, threshold=threshold)
    dtype = torch.promote_types(torch.promote_types(tokens.dtype, confidence.dtype), torch.float32)
    real = token_mask.unsqueeze(-1)
    confidence = confidence.to(dtype).masked_fill(~real, 0.0)
    high_count, token_count = high.sum(dim=1), token_mask.sum(dim=1, keepdim=True)  # (B, K), (B, 1)
    is_high_larger = 2 * high_count > token_count  # (B, K): the high group is the larger one
    small = (high ^ is_high_larger.unsqueeze(1)) & real  # (B, N, K)
    weight = torch.cat([small, real], dim=-1).to(dtype)  # (B, N, K + 1)
    total = _weighted_sums(weight, tokens.to(dtype), real=real)  # (B, K + 1, D)
    score, all_score = (confidence * weight[..., :-1]).sum(dim=1), confidence.sum(dim=1)
    count = _Groups(high_count.to(dtype), (token_count - high_count).to(dtype))
    pool = _groups(total[:, :-1], total[:, -1:], is_high_larger=is_high_larger.unsqueeze(-1))
    scores = _groups(score, all_score, is_high_larger=is_high_larger)
    return CountedPools(
        Pools(
            high=_mean(pool.high, count.high.unsqueeze(-1)),
            low=_mean(pool.low, count.low.unsqueeze(-1)),
            high_confidence=_mean(scores.high, count.high),
            low_confidence=_mean(scores.low, count.low),
        ),
        high_count=count.high,
        token_count=token_count.to(dtype),
    )


class _Groups(NamedTuple):
    """One thing of the high and of the low tokens."""

    high: Tensor
    low: Tensor


def _groups(small: Tensor, total: Tensor, *, is_high_larger: Tensor) -> _Groups:
    """Sums of both groups from those of the smaller one; `is_high_larger` where that is the low one."""
    rest = total - small
    return _Groups(torch.where(is_high_larger, rest, small), torch.where(is_high_larger, small, rest))


def _weighted_sums(weight: Tensor, tokens: Tensor, *, real: Tensor) -> Tensor:
    """(B, N, W), (B, N, D), (B, N, 1) -> (B, W, D)."""
    with torch.autocast(tokens.device.type, enabled=False):
        total = weight.transpose(1, 2) @ tokens
        if not bool(total.isfinite().all()):  # a weight of zero does not silence a NaN or an infinity in padding
            total = weight.transpose(1, 2) @ tokens.masked_fill(~real, 0.0)
    return total


def _mean(total: Tensor, count: Tensor) -> Tensor:
    # a weight of zero does not silence a real token that is not finite: an empty group is set to an exact zero
    return torch.where(count > 0, total / count.clamp_min(1), torch.zeros_like(total))
