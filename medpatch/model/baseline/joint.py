"""Joint fusion: the unimodal vectors through a small network that is trained together with the encoders."""

from collections.abc import Mapping

import torch
from torch import nn

from medpatch.config.name import Modality
from medpatch.model.baseline.stem import Stem
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import Head


class JointFusion(nn.Module):
    """One hidden layer over the projected vectors of all modalities and their presence.

    The encoders are not part of this module: whoever trains it lets gradients flow through `StayTokens`.

    Source: MedPatch, joint baseline; the form of Hayat et al. 2022 (MedFuse), joint.
    Deviates: a hidden layer of D before the head, so that modalities can interact; all modalities are used (the
    published code drops the text where there are two notes); absent ones are zeros after the projection and
    announced by the presence pattern.
    """

    def __init__(
        self, raw_width: Mapping[Modality, int], width: int, *, label_count: int, dropout: float = 0.1
    ) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        joined = len(raw_width) * width + len(raw_width)
        self.hidden = nn.Sequential(nn.LayerNorm(joined), nn.Linear(joined, width), nn.GELU(), nn.Dropout(dropout))
        self.head = Head(width, label_count)

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K)."""
        vectors, here = self.stem.vectors(stay)
        joined = torch.cat([vectors.flatten(1), here.to(vectors.dtype)], dim=1)
        return RivalOutput(self.head(self.hidden(joined)))
