"""Hourly EHR grid to tokens: one token per time step."""

import torch
from torch import Tensor, nn

from medpatch.config.model import Summary
from medpatch.contract.batch import Tokens
from medpatch.model.pool import SUMMARISE


class EhrEncoder(nn.Module):
    """One-layer LSTM over time; a token is its output at one step.

    The summary is the state at the last real step, or the largest output over time: a short excursion early in
    a long stay is hard to carry to the end.

    Source: MedPatch, section on encoders (LSTM, Xavier input weights, orthogonal recurrent weights, zero biases).
    Deviates: padded instead of packed sequences. A forward LSTM never looks ahead, so real steps are the
    same numbers, and the padded form is several times faster on CPU for long stays.
    """

    def __init__(self, columns: int, width: int, *, summary: Summary = Summary.LAST) -> None:
        """Take the number of input columns (76) and the width D of the state."""
        super().__init__()
        self.width = width
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
        output, _ = self.lstm(value.masked_fill(hidden, 0.0))
        tokens = torch.where(hidden, torch.zeros_like(output), output)  # (B, T, D)
        return Tokens(value=tokens, token_mask=mask, pooled=self.summarise(tokens, mask))
