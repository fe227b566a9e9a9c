"""What each stage makes small."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from medpatch.config.train import LossWeighting
from medpatch.contract.batch import FusionOutput

HEADS = 3


def label_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Mean binary cross-entropy over stays and labels; logits and label (B, K)."""
    return bce(logits, label)


def head_losses(output: FusionOutput, label: Tensor) -> Tensor:
    """(3,) label losses of the high, the low and the late head.

    Without a joint module the first two are those of the missingness head, or of the late one where that is off too.
    """
    return torch.stack([label_loss(head, label) for head in (output.high, output.low, output.late)])


class HeadLoss(nn.Module):
    """One number from the losses of the high, low and late head; only the late one counts without joint module.

    Fixed: equal thirds. Learned: sum over heads of exp(-s) loss + s / 2 with one s per head, so that a head with
    a large loss is heard less, and none can be silenced for free. Published: a softmax over three numbers that
    are themselves trained to make the weighted sum small.

    Source: MedPatch, stage 3; Kendall, Gal and Cipolla 2018 (doi:10.1109/CVPR.2018.00781) for the learned form.
    Deviates: fixed is the default. The published weights run to whichever head is easiest (0.99998 on one of
    them in the published constants) and leave the others untrained.
    """

    def __init__(self, weighting: LossWeighting, *, uses_joint: bool = True) -> None:
        """Take how losses are added up, and whether there are high and low heads."""
        super().__init__()
        self.weighting = weighting
        self.uses_joint = uses_joint
        start = 1.0 if weighting is LossWeighting.PUBLISHED else 0.0
        is_trained = uses_joint and weighting is not LossWeighting.FIXED
        self.value = nn.Parameter(torch.full((HEADS,), start), requires_grad=is_trained)

    def forward(self, output: FusionOutput, label: Tensor) -> Tensor:
        """Scalar; in eval mode the plain mean of the three, whatever the weighting, so that epochs compare."""
        if not self.uses_joint:
            return label_loss(output.late, label)
        losses = head_losses(output, label)
        if self.weighting is LossWeighting.FIXED or not self.training:
            return losses.mean()
        if self.weighting is LossWeighting.LEARNED:
            return (torch.exp(-self.value) * losses + self.value / 2).sum()
        return (torch.softmax(self.value, dim=0) * losses).sum()
