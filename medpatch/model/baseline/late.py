"""Late fusion: the mean of the unimodal logits."""

from torch import Tensor


def mean_of_present(logits: Tensor, present: Tensor) -> Tensor:
    """Mean logits over the modalities that a stay has; zeros where it has none.

    Args:
        logits: (B, M, K) of the unimodal models.
        present: (B, M) bool.

    Returns:
        (B, K).

    Source: MedPatch, late baseline. Deviates: absent modalities are left out of the mean.
    """
    mask = present.bool().unsqueeze(-1)
    return logits.masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1).clamp_min(1)
