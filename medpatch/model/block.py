"""Pre-norm layers over tokens, shared by encoders, fusers and rivals."""

import math

import torch
from torch import Tensor, nn


class TokenMlp(nn.Module):
    """Each token plus a small network of itself."""

    def __init__(self, width: int, *, hidden: int | None = None, dropout: float = 0.0) -> None:
        """Take the width D; the hidden layer has 2 D unless told otherwise."""
        super().__init__()
        hidden = 2 * width if hidden is None else hidden
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return tokens + self.mlp(tokens)


class TransformerBlock(nn.Module):
    """Attention among the real tokens of a stay, then a per-token network; both before their sums normalised.

    Query, key and value have no bias, the output map has one.
    """

    def __init__(self, width: int, *, heads: int, head_width: int, mlp_width: int, dropout: float = 0.0) -> None:
        """Take the width D of a token."""
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.output = nn.Linear(heads * head_width, width)
        self.dropout = nn.Dropout(dropout)
        self.mlp = TokenMlp(width, hidden=mlp_width, dropout=dropout)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """(B, N, D), (B, N) bool -> (B, N, D); what comes out in unreal places means nothing."""
        batch, count, _ = tokens.shape
        mixed = self.query_key_value(self.attention_norm(tokens))
        query, key, value = mixed.view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # a stay without any token attends to everything: whoever reads it afterwards masks it anyway
        seen = (real | ~real.any(dim=1, keepdim=True))[:, None, None, :]
        heard = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        tokens = tokens + self.dropout(self.output(heard.transpose(1, 2).flatten(2)))
        return self.mlp(tokens)


def rank_of(real: Tensor) -> Tensor:
    """Place of each real token among the real ones of its stay, from 0; (B, N) bool -> (B, N) int64.

    Unlike the column, it does not change with the padding between the chunks of a note.
    """
    return (real.cumsum(dim=1) - 1).clamp_min(0)


def sinusoidal_position(real: Tensor, width: int) -> Tensor:
    """Sines and cosines of the place of each real token, for sequences of any length; (B, N) bool -> (B, N, D).

    Source: Vaswani et al. 2017 (arxiv.org/abs/1706.03762), section 3.5.
    """
    count = real.shape[1]
    place = torch.arange(count, device=real.device, dtype=torch.float32).unsqueeze(1)
    pairs = torch.arange(-(-width // 2), device=real.device, dtype=torch.float32)
    angle = place * torch.exp(-math.log(10_000.0) * pairs / len(pairs))
    table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]  # (N, D)
    return table[rank_of(real)]
