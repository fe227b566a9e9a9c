"""Many tokens to one vector, real tokens only."""

from collections.abc import Callable

import torch
from torch import Tensor

from medpatch.config.model import Summary


def masked_mean(tokens: Tensor, token_mask: Tensor) -> Tensor:
    """Mean of the real tokens of each stay; zeros for a stay that has none.

    Args:
        tokens: (B, N, D).
        token_mask: (B, N) bool, True where the token is real.

    Returns:
        (B, D).

    Raises:
        ValueError: the two disagree on (B, N).
    """
    if tokens.shape[:2] != token_mask.shape:
        raise ValueError(
            f"masked_mean: tokens {tuple(tokens.shape)} and token_mask {tuple(token_mask.shape)} "
            "must agree on (B, N); was the mask built before padding?"
        )
    kept = tokens.masked_fill(~token_mask.unsqueeze(-1), 0.0)
    count = token_mask.sum(dim=1, keepdim=True).clamp_min(1)  # (B, 1)
    return kept.sum(dim=1) / count


def last_real(tokens: Tensor, token_mask: Tensor) -> Tensor:
    """The last real token of each stay; zeros for a stay that has none.

    Args:
        tokens: (B, N, D).
        token_mask: (B, N) bool.

    Returns:
        (B, D).
    """
    position = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    last = (position * token_mask).amax(dim=1)  # (B,), 0 = no real token
    row = torch.arange(tokens.shape[0], device=tokens.device)
    return tokens[row, (last - 1).clamp_min(0)].masked_fill((last == 0).unsqueeze(-1), 0.0)


def masked_max(tokens: Tensor, token_mask: Tensor) -> Tensor:
    """Largest value of each column over the real tokens; zeros for a stay that has none.

    Args:
        tokens: (B, N, D).
        token_mask: (B, N) bool.

    Returns:
        (B, D).
    """
    largest = tokens.masked_fill(~token_mask.unsqueeze(-1), -torch.inf).amax(dim=1)
    return largest.masked_fill(~token_mask.any(dim=1, keepdim=True), 0.0)


SUMMARISE: dict[Summary, Callable[[Tensor, Tensor], Tensor]] = {
    Summary.LAST: last_real,
    Summary.MEAN: masked_mean,
    Summary.MAX: masked_max,
}
"""How the tokens of a stay become the vector of its unimodal head."""
