"""Ensemble: the mean of several trained models, over those that have input for a stay."""

from enum import StrEnum

import torch
from torch import Tensor

from medpatch.model.baseline.late import mean_of_present


class MeanOf(StrEnum):
    """What is averaged."""

    PROBABILITY = "probability"
    LOGIT = "logit"


def mean_of_models(logits: Tensor, present: Tensor, *, mean_of: MeanOf = MeanOf.PROBABILITY) -> Tensor:
    """Logits of the averaged prediction; zeros where no model has input.

    Args:
        logits: (B, H, K) of H models; rows of models without input may hold anything.
        present: (B, H) bool; a model of several modalities has input wherever one of them is present.
        mean_of: average probabilities, the usual ensemble (Lakshminarayanan et al. 2017,
            arxiv.org/abs/1612.01474), or logits, as published.

    Returns:
        (B, K).

    Source: MedPatch, ensemble baseline: mean logits of three of its early, joint and late models.
    Deviates: any number of models, those of absent modalities are left out; probabilities are averaged unless
    told otherwise.
    """
    if mean_of is MeanOf.LOGIT:
        return mean_of_present(logits, present)
    # logit of the mean of p = log of the sum of p - log of the sum of (1 - p), exact also for sure models
    hidden = ~present.bool().unsqueeze(-1)
    lowest = torch.finfo(logits.dtype).min
    positive, negative = (
        torch.logsumexp(torch.nn.functional.logsigmoid(sign * logits).masked_fill(hidden, lowest), dim=1)
        for sign in (1.0, -1.0)
    )
    return torch.where(present.bool().any(dim=1, keepdim=True), positive - negative, torch.zeros_like(positive))
