"""DAFT: each modality's channels are scaled and shifted by a function of all modalities."""

from collections.abc import Mapping

import torch
from torch import nn

from medpatch.config.name import Modality
from medpatch.model.baseline.stem import Stem
from medpatch.model.block import TokenMlp
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import Head
from medpatch.model.pool import masked_mean

BOTTLENECK_RATIO = 7


class Daft(nn.Module):
    """One affine map of the channels per modality, a per-token layer, then one head over all modalities.

    Source: Pölsterl, Wolf & Wachinger 2021 (DAFT, arxiv.org/abs/2107.05990): scale and shift from the pooled
    image beside the other data, through a bottleneck of ratio 7 without biases.
    Deviates: the paper transforms an image by a table; here every modality is transformed by all others, as any
    of them may be the only one. The scale is 1 + a, so that silence leaves a modality as it is.
    """

    def __init__(self, raw_width: Mapping[Modality, int], width: int, *, label_count: int) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        count = len(raw_width)
        narrow = max(1, count * width // BOTTLENECK_RATIO)
        self.affine = nn.ModuleList(
            nn.Sequential(
                nn.Linear(count * width, narrow, bias=False), nn.ReLU(), nn.Linear(narrow, 2 * width, bias=False)
            )
            for _ in range(count)
        )
        self.layer = nn.ModuleList(TokenMlp(width) for _ in range(count))
        self.head = Head(count * 2 * width + count, label_count)

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K)."""
        tokens, mask = self.stem.sequences(stay)
        squeezed = torch.cat([masked_mean(t, m) for t, m in zip(tokens, mask, strict=True)], dim=1)
        vectors = []
        for affine, layer, t, m in zip(self.affine, self.layer, tokens, mask, strict=True):
            scale, shift = affine(squeezed).unsqueeze(1).chunk(2, dim=-1)  # (B, 1, D) each
            moved = layer((1.0 + scale) * t + shift)
            vectors += [moved[:, 0].masked_fill(~m[:, :1], 0.0), masked_mean(moved, m)]
        here = torch.stack([m[:, 0] for m in mask], dim=1)
        return RivalOutput(self.head(torch.cat([*vectors, here.to(squeezed.dtype)], dim=1)))
