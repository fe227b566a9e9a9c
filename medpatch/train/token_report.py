"""What the confidence stage says about its held-out tokens, for the report."""

from typing import TYPE_CHECKING

import torch

from medpatch.config.name import Modality
from medpatch.contract.confidence import ConfidenceReport, measure_confidence
from medpatch.model.confidence import TokenScorer

if TYPE_CHECKING:
    from medpatch.train.token_logit import TokenLogits


@torch.no_grad()
def report_tokens(
    scorer: TokenScorer, held: "TokenLogits", *, modality: Modality, stays: int, label_names: tuple[str, ...]
) -> ConfidenceReport:
    """Shares of high tokens, calibration before and after temperature, accuracy against confidence.

    Args:
        scorer: with its temperature and threshold.
        held: the R held-out tokens.
        modality: which.
        stays: held-out stays that the tokens come from.
        label_names: K names.
    """
    temperature = scorer.temperature if scorer.use_temperature else torch.ones_like(scorer.temperature)
    labels = measure_confidence(
        held.logits.cpu().numpy(),
        held.label.cpu().numpy(),
        scaled=held.scaled(scorer).cpu().numpy(),
        is_high=(held.score(scorer) >= scorer.threshold).cpu().numpy(),
        temperature=(temperature if temperature.dim() == 1 else temperature.mean(dim=0)).cpu().numpy(),
        prior_logit=scorer.prior_logit.cpu().numpy(),
        label_names=label_names,
    )
    return ConfidenceReport(modality=str(modality), stays=stays, labels=labels)
