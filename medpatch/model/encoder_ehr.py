"""Hourly EHR grid to tokens: one token per time step."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from medpatch.config.model import Summary
from medpatch.contract.batch import Tokens
from medpatch.model.block import TransformerBlock, sinusoidal_position
from medpatch.model.pool import SUMMARISE


class EhrEncoder(nn.Module):
    """One-layer LSTM over time; a token is its output at one step.

    The summary is the state at the last real step, or the largest output over time: a short excursion early in
    a long stay is hard to carry to the end.

    Source: MedPatch, section on encoders (LSTM, Xavier input weights, orthogonal recurrent weights, zero biases).
    Deviates: padded instead of packed sequences. A forward LSTM never looks ahead, so real steps are the
    same numbers, and the padded form is several times faster on CPU for long stays. Dropout, if asked for, hides
    columns of a stay for all its hours, each by itself (a value may go and its observed mask stay), and numbers
    of the tokens.
    """

    def __init__(self, columns: int, width: int, *, summary: Summary = Summary.LAST, dropout: float = 0.0) -> None:
        """Take the number of input columns (76), the width D of the state, and the share that training hides."""
        super().__init__()
        self.width = width
        self.dropout = dropout
        self.summarise = SUMMARISE[summary]
        self.lstm = nn.LSTM(columns, width, batch_first=True)
        nn.init.xavier_uniform_(self.lstm.weight_ih_l0)
        nn.init.orthogonal_(self.lstm.weight_hh_l0)
        nn.init.zeros_(self.lstm.bias_ih_l0)
        nn.init.zeros_(self.lstm.bias_hh_l0)

    def forward(self, value: Tensor, mask: Tensor) -> Tokens:
        """Tokens of stays that have an EHR.

        Args:
            value: (B, T, C) float, values then observed masks.
            mask: (B, T) bool, True where the hour lies inside the stay; a prefix of each row.
        """
        hidden = ~mask.unsqueeze(-1)
        hides = self.training and self.dropout > 0
        if hides:
            value = functional.dropout1d(value.transpose(1, 2), self.dropout).transpose(1, 2)
        output, _ = self.lstm(value.masked_fill(hidden, 0.0))
        if hides:
            output = functional.dropout(output, self.dropout)
        tokens = torch.where(hidden, torch.zeros_like(output), output)  # (B, T, D)
        return Tokens(value=tokens, token_mask=mask, pooled=self.summarise(tokens, mask))


class EhrTransformer(nn.Module):
    """Pre-norm transformer blocks over the hours of a stay; a token is one hour that has seen all others.

    Source: the transformer over time steps of the EHR that multimodal work on MIMIC uses beside the LSTM
    (DrFuse, arxiv.org/abs/2403.06197). The published MedPatch code names one that cannot be built.
    """

    HEAD_WIDTH = 64

    def __init__(
        self, columns: int, width: int, *, summary: Summary = Summary.LAST, layers: int = 2, dropout: float = 0.1
    ) -> None:
        """Take the number of input columns (76), the width D of a token, the blocks, and the dropout in them."""
        super().__init__()
        self.width = width
        self.summarise = SUMMARISE[summary]
        self.embed = nn.Linear(columns, width)
        head_width = min(self.HEAD_WIDTH, width)
        heads = max(1, width // head_width)
        self.block = nn.ModuleList(
            TransformerBlock(width, heads=heads, head_width=head_width, mlp_width=2 * width, dropout=dropout)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, value: Tensor, mask: Tensor) -> Tokens:
        """Tokens of stays that have an EHR; arguments as those of `EhrEncoder`."""
        hidden = ~mask.unsqueeze(-1)
        tokens = self.embed(value.masked_fill(hidden, 0.0)) + sinusoidal_position(mask, self.width).to(value.dtype)
        for block in self.block:
            tokens = block(tokens, mask)
        tokens = self.norm(tokens).masked_fill(hidden, 0.0)
        return Tokens(value=tokens, token_mask=mask, pooled=self.summarise(tokens, mask))
