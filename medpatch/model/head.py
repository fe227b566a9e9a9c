"""From a vector to label logits."""

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
