"""MeTra: one transformer over the tokens of all modalities."""

from collections.abc import Mapping

import torch
from torch import nn

from medpatch.config.name import Modality
from medpatch.model.baseline.stem import Stem
from medpatch.model.block import TransformerBlock, sinusoidal_position
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import Head

BLOCKS, HEADS = 4, 4


class MeTra(nn.Module):
    """A class token and the tokens of every modality through four pre-norm blocks; the class token is read.

    Source: Khader et al. 2023 (medical transformer, doi:10.1148/radiol.230806), as the code of MedPatch sizes
    it: 4 blocks of 4 heads, an MLP of twice the width, dropout 0.1.
    Deviates: tokens are those of the stage-1 encoders, of any number of modalities, with one learned vector per
    modality; positions are sines, not a learned table of fixed length (the published table fits one length
    only, and its longer form is computed but not used); absent and padded tokens are not attended to.
    """

    def __init__(
        self, raw_width: Mapping[Modality, int], width: int, *, label_count: int, dropout: float = 0.1
    ) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        self.kind = nn.Parameter(0.02 * torch.randn(len(raw_width), width))
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.block = nn.ModuleList(
            TransformerBlock(
                width, heads=HEADS, head_width=max(8, width // HEADS), mlp_width=2 * width, dropout=dropout
            )
            for _ in range(BLOCKS)
        )
        self.head = Head(width, label_count)

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K)."""
        sequences, masks = self.stem.sequences(stay)
        stays, _, width = sequences[0].shape
        parts = [self.class_token.expand(stays, 1, width)]
        for kind, tokens, mask in zip(self.kind, sequences, masks, strict=True):
            parts.append(tokens + kind + sinusoidal_position(mask, width).to(tokens.dtype))
        real = torch.cat([torch.ones_like(masks[0][:, :1]), *masks], dim=1)
        tokens = torch.cat(parts, dim=1)
        for block in self.block:
            tokens = block(tokens, real)
        return RivalOutput(self.head(tokens[:, 0]))
