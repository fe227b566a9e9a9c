"""What the presence pattern alone tells of the labels: the floor that every other model must clear."""

import torch
from torch import Tensor, nn

from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import LogitMap


class Availability(nn.Module):
    """One logit per label: a linear map of which modalities a stay has, corrected per pattern.

    The correction starts at zero, and a pattern that no train stay shows keeps what the linear map says. Nothing but
    `StayTokens.presence` is read.

    Source: the ablation of informative missingness usual for clinical data (Lipton et al. 2016,
    arxiv.org/abs/1606.04130). Deviates: their indicators are of each measurement and hour, these of whole modalities.
    """

    def __init__(self, modality_count: int, label_count: int) -> None:
        """Take M and K."""
        super().__init__()
        self.linear = LogitMap(modality_count, label_count)
        self.correction = nn.Parameter(torch.zeros(2**modality_count, label_count))
        nn.init.zeros_(self.linear.weight)
        self.register_buffer("place", 2 ** torch.arange(modality_count), persistent=False)

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K)."""
        return RivalOutput(self.from_presence(stay.presence))

    def from_presence(self, presence: Tensor) -> Tensor:
        """(B, M) bool -> (B, K)."""
        pattern = (presence.long() * self.place).sum(dim=1)
        return self.linear(presence.to(self.linear.weight.dtype)) + self.correction[pattern]
