"""The weighted sum of all heads: the reported prediction."""

import torch
from torch import Tensor

from medpatch.config.model import Compat

PUBLISHED_EPSILON = 1e-8


def weighted_late(logits: Tensor, present: Tensor, weight: Tensor, *, compat: Compat | str = Compat.REPAIRED) -> Tensor:
    """Mean of the heads that have input, weighted per label; zeros where no head has.

    Args:
        logits: (B, H, K), one row per head; rows of heads without input may hold anything.
        present: (B, H), True or 1 where the head had input.
        weight: (H, K) before the softmax over H.
        compat: "published" divides by the sum of the weights over heads and labels together, plus 1e-8.

    Returns:
        (B, K).

    Raises:
        ValueError: the three disagree on H or K.

    Source: MedPatch, late module.
    Deviates: the weights of a label sum to one. The published sum over all labels shrinks K-fold.
    """
    if logits.shape[1:] != weight.shape or logits.shape[:2] != present.shape:
        raise ValueError(
            f"weighted_late: logits {tuple(logits.shape)}, present {tuple(present.shape)} and weight "
            f"{tuple(weight.shape)} must agree on (B, H), (H, K)"
        )
    mask = present.bool().unsqueeze(-1)  # (B, H, 1)
    heard = logits.masked_fill(~mask, 0.0)
    if Compat(compat) is Compat.PUBLISHED:
        share = torch.softmax(weight, dim=0).unsqueeze(0) * mask  # (B, H, K)
        total = share.sum(dim=(1, 2)).unsqueeze(-1) + PUBLISHED_EPSILON  # (B, 1)
        return (share * heard).sum(dim=1) / total
    # among the heads that have input: beside one that has none and a far larger weight their shares would round to zero
    share = torch.softmax(weight.masked_fill(~mask, torch.finfo(weight.dtype).min), dim=1)  # (B, H, K)
    return (share * heard).sum(dim=1)
