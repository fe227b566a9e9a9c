"""Early fusion: the unimodal vectors side by side, then one head."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medpatch.config.name import Modality
from medpatch.contract.batch import Batch
from medpatch.model.baseline.stem import Stem
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import Head
from medpatch.model.unimodal import Unimodal


class EarlyFusion(nn.Module):
    """A head over the projected vectors of all modalities and their presence.

    Source: MedPatch, early baseline.
    Deviates: all modalities are used (the published code drops the text where there are two notes), absent
    ones are zeros after the projection and announced by the presence pattern; the projections are trained anew.
    """

    def __init__(self, raw_width: Mapping[Modality, int], width: int, label_count: int) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        self.head = Head(len(raw_width) * width + len(raw_width), label_count)

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K)."""
        vectors, here = self.stem.vectors(stay)
        return RivalOutput(self.head(torch.cat([vectors.flatten(1), here.to(vectors.dtype)], dim=1)))


class Early(nn.Module):
    """A head over the projected vectors of all modalities and their presence.

    The unimodal models are frozen; only the head is trained.

    Source: MedPatch, early baseline.
    Deviates: all modalities are used (the published code drops the text where there are two notes), absent
    ones are zeros after the projection and announced by the presence pattern.
    """

    def __init__(self, unimodal: Mapping[Modality, Unimodal], width: int, label_count: int) -> None:
        """Take the trained unimodal models in canonical order, their common width D, and K."""
        super().__init__()
        self.modalities = tuple(unimodal)
        self.unimodal = nn.ModuleDict({str(m): u for m, u in unimodal.items()})
        self.head = Head(len(unimodal) * width + len(unimodal), label_count)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K)."""
        return self.classify(*self.summarise(batch))

    def summarise(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Vectors (B, M, D), zeros where absent, and presence (B, M)."""
        column = [batch.modalities.index(m) for m in self.modalities]
        presence = batch.presence[:, column]
        vectors = [u.projection(u.summarise(batch)) for u in self.unimodal.values()]
        return torch.stack(vectors, dim=1).masked_fill(~presence.unsqueeze(-1), 0.0), presence

    def classify(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Logits (B, K) from vectors (B, M, D) and presence (B, M)."""
        return self.head(torch.cat([vectors.flatten(1), presence.to(vectors.dtype)], dim=1))
