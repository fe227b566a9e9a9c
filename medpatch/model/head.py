"""From a vector to label logits."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Head(nn.Module):
    """Layer normalisation, then one linear map to K logits.

    Source: MedPatch, the classifier used for every prediction.
    """

    def __init__(self, width: int, label_count: int) -> None:
        """Take the input width D and the number of labels K."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, label_count)

    def forward(self, vector: Tensor) -> Tensor:
        """(..., D) -> (..., K)."""
        return self.linear(self.norm(vector))


@torch.no_grad()
def start_at(bias: Tensor, prevalence: Sequence[float]) -> None:
    """Let a layer's K biases say the prevalence of the labels, so that training starts from the base rate."""
    bias.copy_(torch.logit(torch.tensor(prevalence, dtype=bias.dtype), eps=1e-4))
