"""One modality alone: what the first stage trains, and a rival in its own right."""

from torch import Tensor, nn

from medpatch.config.name import Modality
from medpatch.contract.batch import Batch
from medpatch.model.extractor import restrict
from medpatch.model.head import Head
from medpatch.model.present import encode_present


class Unimodal(nn.Module):
    """An encoder, a projection to the common width, a head.

    Source: MedPatch, stage 1. Deviates: the projection is there for every modality (published: none for the EHR), and
    the head's bias starts at the log-odds of the prevalence.
    """

    def __init__(self, modality: Modality, encoder: nn.Module, *, projection: nn.Module, head: Head) -> None:
        """Take the encoder (has `width`), its projection to D, and the head."""
        super().__init__()
        self.modality = modality
        self.encoder = encoder
        self.projection = projection
        self.head = head

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K); rows of stays without the modality are meaningless, see `Batch.presence`."""
        return self.classify(self.summarise(batch))

    def summarise(self, batch: Batch) -> Tensor:
        """Raw summary vectors (B, D_raw), zeros for absent stays."""
        one = restrict(batch, (self.modality,))
        name = self.modality
        return encode_present(self.encoder, one.value[name], mask=one.mask[name], present=one.presence[:, 0]).pooled

    def classify(self, pooled: Tensor) -> Tensor:
        """Logits (B, K) from raw summary vectors (B, D_raw)."""
        return self.head(self.projection(pooled))
