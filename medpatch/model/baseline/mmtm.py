"""MMTM: each modality's channels are gated by what all modalities show together."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from medpatch.config.name import Modality
from medpatch.model.baseline.late import mean_of_present
from medpatch.model.baseline.stem import Stem
from medpatch.model.block import TokenMlp
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import Head
from medpatch.model.pool import masked_mean

SQUEEZE_RATIO = 4
BLOCKS = 2


class Mmtm(nn.Module):
    """Two rounds of gating and per-token layers, then one head per modality; their logits are averaged.

    Source: Vaezi Joze et al. 2020 (MMTM, arxiv.org/abs/1911.08670): squeeze by the mean over positions, joint
    excitation with ratio 4, gates of twice the sigmoid, branch predictions averaged.
    Deviates: the gates act on the tokens of the stage-1 encoders with a small layer after each gating, as there
    is no stack of equal layers in an LSTM, a vision transformer and a BERT; any number of modalities, absent
    ones are squeezed to zeros and left out of the average.
    """

    def __init__(self, raw_width: Mapping[Modality, int], width: int, *, label_count: int) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        count = len(raw_width)
        self.gate = nn.ModuleList(Excitation(count, width) for _ in range(BLOCKS))
        self.layer = nn.ModuleList(nn.ModuleList(TokenMlp(width) for _ in range(count)) for _ in range(BLOCKS))
        self.head = nn.ModuleList(Head(2 * width, label_count) for _ in range(count))
        self.bias = nn.Parameter(torch.zeros(label_count))

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K); a stay without anything gets the bias alone."""
        tokens, mask = self.stem.sequences(stay)
        for gate, layers in zip(self.gate, self.layer, strict=True):
            gates = gate([masked_mean(t, m) for t, m in zip(tokens, mask, strict=True)])
            tokens = [layer(t * g.unsqueeze(1)) for layer, t, g in zip(layers, tokens, gates, strict=True)]
        vectors = [torch.cat([t[:, 0], masked_mean(t, m)], dim=1) for t, m in zip(tokens, mask, strict=True)]
        logits = torch.stack([head(v) for head, v in zip(self.head, vectors, strict=True)], dim=1)
        return RivalOutput(mean_of_present(logits, torch.stack([m[:, 0] for m in mask], dim=1)) + self.bias)


class Excitation(nn.Module):
    """From the squeezed vectors of M modalities to M gates of D channels each, in (0, 2)."""

    def __init__(self, count: int, width: int) -> None:
        """Take M and D."""
        super().__init__()
        narrow = max(1, count * width * 2 // SQUEEZE_RATIO)
        self.squeeze = nn.Linear(count * width, narrow)
        self.excite = nn.ModuleList(nn.Linear(narrow, width) for _ in range(count))

    def forward(self, squeezed: Sequence[Tensor]) -> list[Tensor]:
        """M vectors (B, D) -> M gates (B, D)."""
        shared = torch.relu(self.squeeze(torch.cat(list(squeezed), dim=1)))
        return [2.0 * torch.sigmoid(excite(shared)) for excite in self.excite]
