"""Sequence models over a handful of pooled vectors, each ending in one vector."""

from collections.abc import Callable

from torch import Tensor, nn

from medpatch.config.model import Fuser
from medpatch.model.block import TransformerBlock
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

    Source: MedPatch, 8 heads that are together as wide as an entry, query, key and value without bias, MLP of 2 D with
    GELU; at its width of 512 that is 8 heads of 64 and an MLP of 1024.
    """

    HEADS = 8

    def __init__(self, width: int) -> None:
        """Take the width D of an entry."""
        super().__init__()
        head_width = max(1, width // self.HEADS)
        self.block = TransformerBlock(width, heads=self.HEADS, head_width=head_width, mlp_width=2 * width)

    def forward(self, entries: Tensor, real: Tensor) -> Tensor:
        """(B, E, D), (B, E) bool -> (B, D); zeros where no entry is real."""
        return masked_mean(self.block(entries, real), real)


MIXER: dict[Fuser, Callable[[int], nn.Module]] = {
    Fuser.LSTM: LstmMixer,
    Fuser.TRANSFORMER: TransformerMixer,
}
