"""What flows through the network; shape letters as in CONTRIBUTING.md."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from medpatch.config.name import Modality


@dataclass(frozen=True)
class Tokens:
    """One modality of a batch as tokens.

    Attributes:
        value: (B, N, D) float.
        token_mask: (B, N) bool, True where the token is real.
        pooled: (B, D) float, the encoder's own summary: one of the tokens, or their mean or maximum.
    """

    value: Tensor
    token_mask: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Batch:
    """B stays, padded.

    Attributes:
        stay_id: (B,) int64.
        subject_id: (B,) int64.
        label: (B, K) float.
        presence: (B, M) bool, columns in the order of `modalities`.
        modalities: the M modalities of the run, in canonical order.
        value: per modality the padded input. ehr (B, T, 76) float, values then masks;
            cxr (B, H, W) uint8; rr and dn (B, S, L) int64 input ids of S chunks.
        mask: per modality which positions are real. ehr (B, T) bool; cxr (B,) bool;
            rr and dn (B, S, L) bool.
    """

    stay_id: Tensor
    subject_id: Tensor
    label: Tensor
    presence: Tensor
    modalities: tuple[Modality, ...]
    value: Mapping[Modality, Tensor]
    mask: Mapping[Modality, Tensor]

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return Batch(
            stay_id=self.stay_id.to(device),
            subject_id=self.subject_id.to(device),
            label=self.label.to(device),
            presence=self.presence.to(device),
            modalities=self.modalities,
            value={m: v.to(device) for m, v in self.value.items()},
            mask={m: v.to(device) for m, v in self.mask.items()},
        )


@dataclass(frozen=True)
class FusionOutput:
    """Logits of every head.

    Attributes:
        high: (B, K) from the tokens the model is sure of; without a joint module the missingness head, or `late`
            where there is none.
        low: (B, K) from the others; without a joint module as `high`.
        late: (B, K) the weighted sum of all heads; the reported prediction.
        unimodal: per modality (B, K); rows of absent stays are meaningless and masked in `late`.
        missingness: (B, K) from the presence pattern alone.
        heads: (B, H, K) all of which `late` is made; rows of heads without input are meaningless.
        has_input: (B, H) bool, which of them count for a stay.
    """

    high: Tensor
    low: Tensor
    late: Tensor
    unimodal: Mapping[Modality, Tensor]
    missingness: Tensor
    heads: Tensor
    has_input: Tensor
