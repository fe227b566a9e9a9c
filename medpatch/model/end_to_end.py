"""A rival together with encoders that move."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medpatch.config.name import Modality
from medpatch.contract.batch import Batch
from medpatch.model.extractor import restrict
from medpatch.model.feature import ModalityTokens, RivalOutput, StayTokens
from medpatch.model.present import encode_present
from medpatch.model.unimodal import Unimodal


class EndToEnd(nn.Module):
    """Encoders, their unimodal heads, and a rival over their tokens; gradients reach the encoders.

    Modalities whose encoder never moves are not part of it: their tokens come from outside.
    """

    def __init__(self, unimodal: Mapping[Modality, Unimodal], rival: nn.Module) -> None:
        """Take the unimodal models of the moving encoders, and a module from `StayTokens` to `RivalOutput`."""
        super().__init__()
        self.unimodal = nn.ModuleDict({str(m): u for m, u in unimodal.items()})
        self.rival = rival

    def forward(self, batch: Batch | None, still: StayTokens) -> RivalOutput:
        """What the rival makes of B stays.

        Args:
            batch: inputs of the moving encoders; None where there are none.
            still: tokens of the other modalities, and the presence of all.
        """
        moving = {} if batch is None else {Modality(m): self._tokens(m, batch) for m in self.unimodal}
        merged = {**still.modality, **moving}
        return self.rival(StayTokens(still.presence, {m: merged[m] for m in Modality if m in merged}))

    def _tokens(self, name: str, batch: Batch) -> ModalityTokens:
        one = restrict(batch, (Modality(name),))
        present = one.presence[:, 0]
        tokens = encode_present(self.unimodal[name].encoder, one.value[name], mask=one.mask[name], present=present)
        here: Tensor = tokens.token_mask.any(dim=1, keepdim=True)
        logits = self.unimodal[name].classify(tokens.pooled)
        return ModalityTokens(tokens.value, tokens.token_mask, tokens.pooled, torch.where(here, logits, 0.0))
