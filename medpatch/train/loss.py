"""What each stage makes small."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from medpatch.contract.batch import FusionOutput

EQUAL_WEIGHTS = (1 / 3, 1 / 3, 1 / 3)
"""Of the high, low and late loss.

Deviates: the published weights are learned by making the weighted sum small, so they run to whichever
head is easiest and leave the others untrained.
"""


def label_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Mean binary cross-entropy over stays and labels; logits and label (B, K)."""
    return bce(logits, label)


def token_loss(logits: Tensor, label: Tensor, token_mask: Tensor) -> Tensor:
    """Mean binary cross-entropy when each real token must tell the label of its stay.

    Args:
        logits: (B, N, K).
        label: (B, K).
        token_mask: (B, N) bool.

    Source: MedPatch, stage 2. Deviates: padding is left out.
    """
    return bce(logits[token_mask], label.unsqueeze(1).expand_as(logits)[token_mask])


def weighted_loss(heads: Sequence[Tensor], label: Tensor, weight: Sequence[float] | Tensor) -> Tensor:
    """Weighted sum of the label losses of several heads, each (B, K)."""
    losses = torch.stack([label_loss(head, label) for head in heads])
    return (losses * torch.as_tensor(weight, dtype=losses.dtype, device=losses.device)).sum()


def fusion_loss(output: FusionOutput, label: Tensor, *, uses_joint: bool = True) -> Tensor:
    """Equal parts of the high, low and late loss; the late loss alone without the joint module.

    Source: MedPatch, stage 3.
    """
    if not uses_joint:
        return label_loss(output.late, label)
    return weighted_loss((output.high, output.low, output.late), label, EQUAL_WEIGHTS)
