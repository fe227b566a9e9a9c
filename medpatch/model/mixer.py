"""Sequence models over a handful of pooled vectors, each ending in one vector."""

from collections.abc import Callable

from torch import Tensor, nn

from medpatch.config.model import Fuser
from medpatch.model.pool import last_real, masked_mean


class LstmMixer(nn.Module):
    """The state of an LSTM after the last real entry."""

    def __init__(self, width: int) -> None:
        """Take the width D of an entry, also that of the state."""
        super().__init__()
        self.lstm = nn.LSTM(width, width, batch_first=True)

    def forward(self, entries: Tensor, real: Tensor) -> Tensor:
        """(B, E, D), (B, E) bool with real entries first -> (B, D)."""
        return last_real(self.lstm(entries)[0], real)


class TransformerMixer(nn.Module):
    """The mean over entries after one pre-norm transformer block without positions.

    Source: MedPatch, 8 heads of 64, query, key and value without bias, MLP of 1024 with GELU.
    """

    def __init__(self, width: int, *, heads: int = 8, head_width: int = 64, mlp_width: int = 1024) -> None:
        """Take the width D of an entry."""
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.output = nn.Linear(heads * head_width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, mlp_width), nn.GELU(), nn.Linear(mlp_width, width)
        )

    def forward(self, entries: Tensor, real: Tensor) -> Tensor:
        """(B, E, D), (B, E) bool -> (B, D); zeros where no entry is real."""
        batch, count, _ = entries.shape
        mixed = self.query_key_value(self.attention_norm(entries))
        query, key, value = mixed.view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # a stay without any entry attends to everything: its mean below is over nothing anyway
        seen = (real | ~real.any(dim=1, keepdim=True))[:, None, None, :]
        heard = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        entries = entries + self.output(heard.transpose(1, 2).flatten(2))
        entries = entries + self.mlp(entries)
        return masked_mean(entries, real)


MIXER: dict[Fuser, Callable[[int], nn.Module]] = {
    Fuser.LSTM: LstmMixer,
    Fuser.TRANSFORMER: TransformerMixer,
}
