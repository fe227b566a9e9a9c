"""MedPatch on stays from which one modality is taken away, beside MedPatch on what they have."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from medpatch.config.name import Modality
from medpatch.contract.batch import Tokens
from medpatch.evaluate.name import WITHOUT_PREFIX
from medpatch.model.feature import Features
from medpatch.model.medpatch import MedPatch


def drops(model: MedPatch, features: Features) -> Mapping[str, Tensor]:
    """Late-head logits (B, K) without each modality in turn, as "medpatch_without_<modality>".

    Stays that do not have the modality keep their logits; no encoder runs. A network of one modality has nothing
    to fall back on and gives no rows.

    Args:
        model: MedPatch.
        features: of B stays, columns of `presence` in the order of the model's modalities.
    """
    modalities = model.fusion.modalities
    if len(modalities) < 2:
        return {}
    return {f"{WITHOUT_PREFIX}{m}": model.fuse(without(model, features, modality=m)).late for m in modalities}


def without(model: MedPatch, features: Features, *, modality: Modality) -> Features:
    """The features as they are when no stay has the modality: absent, not zero-filled.

    Args:
        model: MedPatch.
        features: of B stays.
        modality: which is taken away.
    """
    presence = features.presence.clone()
    presence[:, model.fusion.modalities.index(modality)] = False
    pooled = torch.zeros_like(features.modality[modality].pooled)
    no_token = torch.zeros(len(pooled), 1, dtype=torch.bool, device=pooled.device)
    # what the extractor makes of stays without tokens, in the published compatibility mode too
    absent = model.extractor.pool(modality, Tokens(value=pooled.unsqueeze(1), token_mask=no_token, pooled=pooled))
    return replace(features, presence=presence, modality={**features.modality, modality: absent})
