"""HEALNet: a set of latent vectors reads one modality after the other, and skips what is absent."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medpatch.config.name import Modality
from medpatch.model.baseline.stem import Stem
from medpatch.model.block import rank_of
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import Head

LAYERS = 3
MOST_LATENTS = 128
BANDS, MAX_FREQUENCY = 4, 10.0
POSITION_CHANNELS = 2 * BANDS + 1
TEMPERATURE = 0.5


class HealNet(nn.Module):
    """Three layers; in each, for every present modality in turn, the latents read it and then each other.

    Source: Hemker et al. 2024 (HEALNet, arxiv.org/abs/2311.09115), sizes as in the code of MedPatch: 128
    latents of 128, 8 heads of 64, Fourier positions of 4 bands, softmax temperature 0.5, dropout 0.1.
    Deviates: reads the tokens of the stage-1 encoders, whole batches at a time (that code runs one stay at a
    time). An absent modality leaves the latents exactly as they are; there the latents' attention to each other
    runs all the same, and an error in reading a modality is swallowed. At a common width D below 128 there are
    D latents of D, with D/16 heads of D/2.
    """

    def __init__(
        self, raw_width: Mapping[Modality, int], width: int, *, label_count: int, dropout: float = 0.1
    ) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        latent = min(MOST_LATENTS, width)
        self.latents = nn.Parameter(torch.randn(latent, latent))
        self.layer = nn.ModuleList(
            HealLayer(len(raw_width), latent, context=width + POSITION_CHANNELS, dropout=dropout) for _ in range(LAYERS)
        )
        self.head = Head(latent, label_count)

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K)."""
        tokens, mask = self.stem.sequences(stay)
        context = [torch.cat([t, fourier_position(m).to(t.dtype)], dim=-1) for t, m in zip(tokens, mask, strict=True)]
        latents = self.latents.expand(len(stay.presence), -1, -1)
        for layer in self.layer:
            latents = layer(latents, context, mask)
        return RivalOutput(self.head(latents.mean(dim=1)))


class HealLayer(nn.Module):
    """Per modality its own reading, then one attention of the latents to each other, shared by the modalities."""

    def __init__(self, count: int, latent: int, *, context: int, dropout: float) -> None:
        """Take M, the width of a latent, the width of a token with its position."""
        super().__init__()
        self.read = nn.ModuleList(LatentAttention(latent, context, dropout=dropout) for _ in range(count))
        self.digest = nn.ModuleList(GatedMlp(latent, dropout=dropout) for _ in range(count))
        self.talk = LatentAttention(latent, latent, dropout=dropout)
        self.settle = GatedMlp(latent, dropout=dropout)

    def forward(self, latents: Tensor, context: list[Tensor], mask: list[Tensor]) -> Tensor:
        """(B, L, d), M times (B, N, C), M times (B, N) bool -> (B, L, d)."""
        for read, digest, tokens, real in zip(self.read, self.digest, context, mask, strict=True):
            here = real.any(dim=1).nonzero().squeeze(1)  # the others are left alone, at no cost
            moved = latents[here]
            moved = moved + read(moved, tokens[here], real[here])
            moved = moved + digest(moved)
            moved = moved + self.talk(moved, moved)
            moved = moved + self.settle(moved)
            latents = latents.index_copy(0, here, moved)
        return latents


class LatentAttention(nn.Module):
    """Latents attend to the real tokens; what they hear goes through a leaky rectifier."""

    def __init__(self, latent: int, context: int, *, dropout: float) -> None:
        """Take the width of a latent and that of a token."""
        super().__init__()
        head, self.heads = max(8, latent // 2), max(1, latent // 16)
        self.dropout = dropout
        self.scale = head**-0.5 / TEMPERATURE
        self.latent_norm, self.context_norm = nn.LayerNorm(latent), nn.LayerNorm(context)
        self.query = nn.Linear(latent, self.heads * head, bias=False)
        self.key_value = nn.Linear(context, 2 * self.heads * head, bias=False)
        self.output = nn.Sequential(nn.Linear(self.heads * head, latent), nn.LeakyReLU(0.01))

    def forward(self, latents: Tensor, tokens: Tensor, real: Tensor | None = None) -> Tensor:
        """(B, L, d), (B, N, C), (B, N) bool with a real token in each row, or None for all -> (B, L, d)."""
        query = self.query(self.latent_norm(latents)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        both = self.key_value(self.context_norm(tokens)).unflatten(-1, (2, self.heads, -1))
        key, value = both.permute(2, 0, 3, 1, 4)
        heard = nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if real is None else real[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
            scale=self.scale,
        )
        return self.output(heard.transpose(1, 2).flatten(2))


class GatedMlp(nn.Module):
    """A hidden layer four times as wide, one half of it gated by the SELU of the other."""

    def __init__(self, width: int, *, dropout: float) -> None:
        """Take the width of a latent."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 8 * width)
        self.narrow = nn.Sequential(nn.Linear(4 * width, width), nn.Dropout(dropout))

    def forward(self, latents: Tensor) -> Tensor:
        """(B, L, d) -> (B, L, d)."""
        value, gate = self.widen(self.norm(latents)).chunk(2, dim=-1)
        return self.narrow(value * nn.functional.selu(gate))


def fourier_position(real: Tensor) -> Tensor:
    """Place of each real token within its stay, from -1 to 1, with its sines and cosines: (B, N) -> (B, N, 9)."""
    length = real.sum(dim=1, keepdim=True)
    place = 2.0 * rank_of(real) / (length - 1).clamp_min(1) - 1.0  # (B, N)
    bands = torch.linspace(1.0, MAX_FREQUENCY / 2, BANDS, device=real.device)
    angle = place.unsqueeze(-1) * bands * torch.pi
    return torch.cat([angle.sin(), angle.cos(), place.unsqueeze(-1)], dim=-1)
