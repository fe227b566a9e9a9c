"""MedPatch: one forward from a raw batch to the logits of every head."""

from torch import nn

from medpatch.contract.batch import Batch, FusionOutput
from medpatch.model.extractor import Extractor, restrict
from medpatch.model.feature import Features
from medpatch.model.fusion import Fusion


class MedPatch(nn.Module):
    """Encode, partition tokens by confidence, fuse.

    Source: MedPatch (arxiv.org/abs/2508.09182).
    """

    def __init__(self, extractor: Extractor, fusion: Fusion) -> None:
        """Take the part that is frozen in the fusion stage and the part that is trained there."""
        super().__init__()
        self.extractor = extractor
        self.fusion = fusion

    def forward(self, batch: Batch) -> FusionOutput:
        """Logits of every head; the reported prediction is `late`."""
        return self.fuse(self.extract(batch))

    def extract(self, batch: Batch) -> Features:
        """What fusion needs of these stays; constant while the encoders are frozen."""
        return self.extractor(restrict(batch, self.fusion.modalities))

    def fuse(self, features: Features) -> FusionOutput:
        """Logits from features, computed now or read from a cache."""
        return self.fusion(features)
