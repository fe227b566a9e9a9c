"""From a vector to label logits."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LogitMap(nn.Linear):
    """Linear map to label logits, in the precision of its weights also under autocast.

    bfloat16 has three digits: logits rounded to it would tie stays that differ, and AUROC on val would be coarse.
    """

    def forward(self, vector: Tensor) -> Tensor:
        """(..., D) -> (..., K)."""
        with torch.autocast(vector.device.type, enabled=False):
            return super().forward(vector.to(self.weight.dtype))


class Head(nn.Module):
    """Layer normalisation, then one linear map to K logits.

    Source: MedPatch, the classifier used for every prediction.
    """

    def __init__(self, width: int, label_count: int) -> None:
        """Take the input width D and the number of labels K."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = LogitMap(width, label_count)

    def forward(self, vector: Tensor) -> Tensor:
        """(..., D) -> (..., K)."""
        return self.linear(self.norm(vector))


@torch.no_grad()
def start_at(bias: Tensor, prevalence: Sequence[float]) -> None:
    """Let a layer's K biases say the prevalence of the labels, so that training starts from the base rate."""
    bias.copy_(torch.logit(torch.tensor(prevalence, dtype=bias.dtype), eps=1e-4))
