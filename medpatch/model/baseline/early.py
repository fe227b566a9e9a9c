"""Early fusion: the unimodal vectors side by side, then one head."""

from collections.abc import Mapping

import torch
from torch import nn

from medpatch.config.name import Modality
from medpatch.model.baseline.stem import Stem
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import Head


class EarlyFusion(nn.Module):
    """A head over the projected vectors of all modalities and their presence.

    Source: MedPatch, early baseline.
    Deviates: all modalities are used (the published code drops the text where there are two notes), absent
    ones are zeros after the projection and announced by the presence pattern; the projections are trained anew.
    """

    def __init__(self, raw_width: Mapping[Modality, int], width: int, *, label_count: int) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        self.head = Head(len(raw_width) * width + len(raw_width), label_count)

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K)."""
        vectors, here = self.stem.vectors(stay)
        return RivalOutput(self.head(torch.cat([vectors.flatten(1), here.to(vectors.dtype)], dim=1)))
