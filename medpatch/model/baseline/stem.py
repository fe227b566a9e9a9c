"""What all neural rivals start with: every modality at the common width, silent where a stay lacks it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medpatch.config.name import Modality
from medpatch.model.feature import ModalityTokens, StayTokens


class Stem(nn.Module):
    """One linear map per modality from its raw width to D.

    Whatever stands in absent or padded places is replaced by zeros before and after the map, so that neither
    content nor a bias can speak for what is not there.
    """

    def __init__(self, raw_width: Mapping[Modality, int], width: int) -> None:
        """Take the encoders' widths, in canonical order, and D."""
        super().__init__()
        self.modalities = tuple(raw_width)
        self.projection = nn.ModuleDict({str(m): nn.Linear(raw, width) for m, raw in raw_width.items()})

    def presence(self, stay: StayTokens) -> Tensor:
        """(B, M) bool: announced and with at least one real token."""
        column = [tuple(stay.modality).index(m) for m in self.modalities]
        has_token = torch.stack([stay.modality[m].token_mask.any(dim=1) for m in self.modalities], dim=1)
        return stay.presence[:, column] & has_token

    def vectors(self, stay: StayTokens) -> tuple[Tensor, Tensor]:
        """The encoders' own summaries (B, M, D), zeros where absent, and the presence (B, M)."""
        here = self.presence(stay)
        return torch.stack([self._summary(stay, m, here[:, i]) for i, m in enumerate(self.modalities)], dim=1), here

    def sequences(self, stay: StayTokens) -> tuple[list[Tensor], list[Tensor]]:
        """Per modality its summary followed by its tokens (B, 1 + N, D), and which of them are real (B, 1 + N).

        The summary goes first because an encoder may know its tokens better than their mean tells.
        """
        here = self.presence(stay)
        sequence, mask = [], []
        for i, name in enumerate(self.modalities):
            one, present = stay.modality[name], here[:, [i]]  # (B, 1)
            real = one.token_mask & present
            tokens = self._project(name, one.tokens, real)
            sequence.append(torch.cat([self._summary(stay, name, here[:, i]).unsqueeze(1), tokens], dim=1))
            mask.append(torch.cat([present, real], dim=1))
        return sequence, mask

    def _summary(self, stay: StayTokens, name: Modality, present: Tensor) -> Tensor:
        one: ModalityTokens = stay.modality[name]
        return self._project(name, one.pooled, present)

    def _project(self, name: Modality, raw: Tensor, real: Tensor) -> Tensor:
        hidden = ~real.unsqueeze(-1)
        return self.projection[name](raw.masked_fill(hidden, 0.0)).masked_fill(hidden, 0.0)
