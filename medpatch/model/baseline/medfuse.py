"""MedFuse: the modalities' vectors as a short sequence through an LSTM."""

from collections.abc import Mapping

import torch
from torch import nn

from medpatch.config.name import Modality
from medpatch.model.baseline.stem import Stem
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import Head
from medpatch.model.mixer import LstmMixer


class MedFuse(nn.Module):
    """The state of an LSTM after the last modality that a stay has, then a head.

    Source: Hayat, Geras & Shamout 2022 (MedFuse, arxiv.org/abs/2207.07027), as the code of MedPatch calls it.
    Deviates: any number of modalities, in canonical order. That code cannot run as written (input size the sum
    of the widths although vectors are stacked, unpooled image tokens beside an EHR vector); here a step is one
    projected summary. As in the paper, and unlike that code, an absent modality is no step; `keeps_absent`
    makes it a step of zeros.
    """

    def __init__(
        self, raw_width: Mapping[Modality, int], width: int, *, label_count: int, keeps_absent: bool = False
    ) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        self.mixer = LstmMixer(width)
        self.head = Head(width, label_count)
        self.keeps_absent = keeps_absent

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K)."""
        entries, here = self.stem.vectors(stay)
        if self.keeps_absent:
            return RivalOutput(self.head(self.mixer(entries, torch.ones_like(here))))
        order = torch.argsort((~here).long(), dim=1, stable=True)  # present ones first, in canonical order
        entries = entries.gather(1, order.unsqueeze(-1).expand_as(entries))
        return RivalOutput(self.head(self.mixer(entries, here.gather(1, order))))
