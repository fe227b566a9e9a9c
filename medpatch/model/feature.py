"""What fusion needs of a stay: constants while the encoders are frozen, so they can be computed once."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from medpatch.config.name import Modality


@dataclass(frozen=True)
class ModalityFeature:
    """One modality of B stays, before any projection (raw width D of its encoder).

    Attributes:
        pooled: (B, D) the encoder's own summary.
        high: (B, K, D) mean of the tokens that the model is sure of, per label; zeros where there is none.
        low: (B, K, D) mean of the others.
        high_confidence: (B, K) mean score of the first group, 0 where it is empty.
        low_confidence: (B, K) likewise.
        high_share: (B, K) share of the stay's real tokens that are in the first group.
        is_encoded: (B,) bool, False where the stay brings no token; both groups are then empty.
    """

    pooled: Tensor
    high: Tensor
    low: Tensor
    high_confidence: Tensor
    low_confidence: Tensor
    high_share: Tensor
    is_encoded: Tensor

    @property
    def has_high(self) -> Tensor:
        """(B, K) bool, True where the first group has a token."""
        return self.is_encoded.unsqueeze(1) & (self.high_share > 0)

    @property
    def has_low(self) -> Tensor:
        """(B, K) bool, True where the second group has a token."""
        return self.is_encoded.unsqueeze(1) & (self.high_share < 1)


@dataclass(frozen=True)
class Features:
    """B stays as fusion sees them.

    Attributes:
        presence: (B, M) bool, columns in canonical order.
        modality: one entry per modality of the run.
    """

    presence: Tensor
    modality: Mapping[Modality, ModalityFeature]


@dataclass(frozen=True)
class ModalityTokens:
    """One modality of B stays as a rival sees it: the output of the stage-1 encoder, before any projection.

    Attributes:
        tokens: (B, N, D) of the encoder, zeros where not real.
        token_mask: (B, N) bool, True where the token is real; all False where the stay lacks the modality.
        pooled: (B, D) the encoder's own summary, zeros where the stay lacks the modality.
        logits: (B, K) of the unimodal model, zeros where the stay lacks the modality.
    """

    tokens: Tensor
    token_mask: Tensor
    pooled: Tensor
    logits: Tensor


@dataclass(frozen=True)
class StayTokens:
    """B stays as every rival sees them.

    Attributes:
        presence: (B, M) bool, columns in the order of `modality`.
        modality: one entry per modality of the run, in canonical order.
    """

    presence: Tensor
    modality: Mapping[Modality, ModalityTokens]


@dataclass(frozen=True)
class RivalOutput:
    """What a rival makes of B stays; `model.baseline.objective.rival_loss` turns all of it into one loss.

    Attributes:
        logits: (B, K), the prediction.
        auxiliary_loss: scalar added to the label loss in training, or None.
        branch_logits: (B, H, K) of H parts that must tell the labels too, or None.
        branch_mask: (B, H) bool, True where a part has input; None with `branch_logits` None.
        attention: (B, H, K) share of each part in the prediction, which training makes follow the parts' own
            losses; None where the rival has none.
    """

    logits: Tensor
    auxiliary_loss: Tensor | None = None
    branch_logits: Tensor | None = None
    branch_mask: Tensor | None = None
    attention: Tensor | None = None
