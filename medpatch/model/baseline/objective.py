"""One loss from all that a rival puts out."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from medpatch.model.feature import RivalOutput


def rival_loss(output: RivalOutput, label: Tensor) -> Tensor:
    """Label loss of the prediction, plus what the rival asks for beside it.

    Args:
        output: of B stays.
        label: (B, K) of 0 and 1.

    Returns:
        Scalar: cross-entropy of the prediction, the rival's own auxiliary loss, the cross-entropy of each branch
        that has input, and the ranking loss of its attention, added up with weight 1. A cross-entropy is a mean
        over labels, and everything is a mean over stays, so that a batch may be computed in parts, by several
        processes.
    """
    loss = bce(output.logits, label)
    if output.auxiliary_loss is not None:
        loss = loss + output.auxiliary_loss
    if output.branch_logits is None:
        return loss
    target = label.unsqueeze(1).expand_as(output.branch_logits)
    branch_loss = bce(output.branch_logits, target, reduction="none")  # (B, H, K)
    loss = loss + sum_of_present(branch_loss.mean(dim=2), output.branch_mask)
    if output.attention is not None:
        loss = loss + ranking_loss(output.attention, branch_loss.detach(), branch_mask=output.branch_mask)
    return loss


def ranking_loss(attention: Tensor, branch_loss: Tensor, *, branch_mask: Tensor) -> Tensor:
    """How far the attention falls short of the order of the branches' losses.

    For each pair of branches that a stay has, the one with the smaller loss should get the larger share; what
    the other has more counts. Mean over the pairs of a stay that are in the wrong order, zero where none is, then over
    stays.

    Args:
        attention: (B, H, K).
        branch_loss: (B, H, K), constants.
        branch_mask: (B, H) bool.

    Source: DrFuse (github.com/dorothy-yao/drfuse), attention ranking loss.
    Deviates: the code divides by the number of wrong entries of a pair in the whole batch, then by the number of pairs,
    and leaves out stays that lack a modality; here each stay counts once, so that a batch can be split. With many
    labels that is the same size, with one label it is less by about the share of stays that are in order.
    """
    first, second = torch.triu_indices(attention.shape[1], attention.shape[1], offset=1)
    both = (branch_mask[:, first] & branch_mask[:, second]).unsqueeze(-1)  # (B, pairs, 1)
    wanted = torch.sign(branch_loss[:, second] - branch_loss[:, first])
    excess = torch.relu(-wanted * (attention[:, first] - attention[:, second])).masked_fill(~both, 0.0)
    per_stay = excess.sum(dim=(1, 2)) / (excess > 0).sum(dim=(1, 2)).clamp_min(1)
    return per_stay.mean()


def sum_of_present(value: Tensor, mask: Tensor) -> Tensor:
    """Mean over all B stays of the sum of value (B, H) where mask (B, H) is True."""
    return value.masked_fill(~mask, 0.0).sum(dim=1).mean()
