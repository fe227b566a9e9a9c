"""Many tokens to few: neighbours are averaged."""

import torch
from torch import Tensor


def shorten(tokens: Tensor, token_mask: Tensor, *, at_most: int) -> tuple[Tensor, Tensor]:
    """At most so many tokens per stay; a stay with no more than that keeps its own.

    The real tokens of a longer stay are cut into `at_most` runs of nearly equal length, token i of n into run
    floor(i * at_most / n), and each run becomes its mean.

    Args:
        tokens: (B, N, D).
        token_mask: (B, N) bool.
        at_most: longest result.

    Returns:
        (B, N', D) with zeros after the last, and which are real (B, N'), a prefix of each row.
    """
    stays, _, width = tokens.shape
    length = token_mask.sum(dim=1)  # (B,)
    kept = length.clamp_max(at_most)
    longest = int(kept.max()) if stays else 0
    rank = token_mask.cumsum(dim=1) - 1  # place of a real token among the real ones
    run = torch.div(rank * kept.unsqueeze(1), length.clamp_min(1).unsqueeze(1), rounding_mode="floor")
    owner = torch.arange(stays, device=tokens.device).unsqueeze(1) * longest
    target = (owner + run)[token_mask]  # (R,)
    total = tokens.new_zeros(stays * longest, width).index_add_(0, target, tokens[token_mask])
    count = torch.bincount(target, minlength=stays * longest).clamp_min(1)
    mask = torch.arange(longest, device=tokens.device) < kept.unsqueeze(1)
    return (total / count.unsqueeze(1)).view(stays, longest, width), mask
