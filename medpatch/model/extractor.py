"""Raw batch to what fusion needs: encode, score each token, pool by confidence."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from medpatch.config.name import Modality
from medpatch.contract.batch import Batch, Tokens
from medpatch.model.confidence import TokenScorer
from medpatch.model.feature import Features, ModalityFeature
from medpatch.model.partition import count_and_pool
from medpatch.model.present import encode_present


class Extractor(nn.Module):
    """Encoders and token scorers of all modalities.

    Frozen in the fusion stage, which is why its output can be cached.
    """

    def __init__(
        self,
        encoder: Mapping[Modality, nn.Module],
        scorer: Mapping[Modality, TokenScorer],
        *,
        pools_padding: bool = False,
    ) -> None:
        """Take one encoder and one scorer per modality.

        Args:
            encoder: maps (value, mask) to Tokens; has `width`.
            scorer: maps raw tokens to scores.
            pools_padding: treat every position as a token, as the published code does.
        """
        super().__init__()
        self.encoder = nn.ModuleDict({str(m): e for m, e in encoder.items()})
        self.scorer = nn.ModuleDict({str(m): s for m, s in scorer.items()})
        self.pools_padding = pools_padding

    def forward(self, batch: Batch) -> Features:
        """Features of the batch's stays."""
        modality = {}
        for column, name in enumerate(batch.modalities):
            present = batch.presence[:, column]
            tokens = encode_present(self.encoder[name], batch.value[name], mask=batch.mask[name], present=present)
            modality[name] = self.pool(name, tokens)
        return Features(presence=batch.presence, modality=modality)

    def pool(self, name: Modality, tokens: Tokens) -> ModalityFeature:
        """Score and pool one modality's raw tokens."""
        return pool_tokens(self.scorer[name], tokens, pools_padding=self.pools_padding)


def pool_tokens(scorer: TokenScorer, tokens: Tokens, *, pools_padding: bool) -> ModalityFeature:
    """Score one modality's raw tokens and pool them by what they score.

    Args:
        scorer: of the modality.
        tokens: raw, of its encoder.
        pools_padding: treat every position as a token, as the published code does.
    """
    token_mask = torch.ones_like(tokens.token_mask) if pools_padding else tokens.token_mask
    confidence = scorer(tokens.value, token_mask)  # (B, N, K)
    found = count_and_pool(tokens.value, confidence, token_mask=token_mask, threshold=scorer.threshold)
    return ModalityFeature(
        pooled=tokens.pooled,
        **found.pools._asdict(),
        high_share=found.high_count / found.token_count.clamp_min(1),
        is_encoded=token_mask.any(dim=1),
    )


def restrict(batch: Batch, modalities: Sequence[Modality]) -> Batch:
    """The same batch with only these modalities, in this order.

    Raises:
        ValueError: the batch lacks one of them.
    """
    missing = [str(m) for m in modalities if m not in batch.modalities]
    if missing:
        raise ValueError(
            f"batch has modalities {[str(m) for m in batch.modalities]}, the model also needs {missing}; "
            "load the tensors that the model was trained on"
        )
    if tuple(modalities) == tuple(batch.modalities):
        return batch
    column = [batch.modalities.index(m) for m in modalities]
    return Batch(
        stay_id=batch.stay_id,
        subject_id=batch.subject_id,
        label=batch.label,
        presence=batch.presence[:, column],
        modalities=tuple(modalities),
        value={m: batch.value[m] for m in modalities},
        mask={m: batch.mask[m] for m in modalities},
    )
