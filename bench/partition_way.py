"""Ways of splitting tokens that `bench/partition.py` compares."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from partition_part import Part, evidence
from torch import Tensor, nn

from medpatch.config.model import Fuser, Late, Score
from medpatch.config.name import Modality, Split
from medpatch.contract.batch import FusionOutput
from medpatch.model.feature import Features

EVERYTHING_IS_HIGH = -1.0
STAYS_LOOKED_AT = 256


@dataclass(frozen=True)
class Way:
    """One way of splitting.

    Attributes:
        threshold: fixed, or None for the thresholds that training has chosen on validation.
        share: of train tokens that are high for every label, instead.
        is_trained: the token predictor is trained anew with the fields of `fusion`.
        score: of the token.
        is_random: tokens by lot, as many as the chosen thresholds take.
        is_evidence: the generator's own.
        is_attention: weights learned with the fusion part.
        fusion: other fields of model.fusion.
    """

    threshold: float | None = None
    share: float | None = None
    is_trained: bool = False
    score: Score = Score.PRIOR_SHIFTED
    is_random: bool = False
    is_evidence: bool = False
    is_attention: bool = False
    fusion: Mapping[str, object] = field(default_factory=dict)


DEFAULT = "top 1 % of tokens"
WAYS = {
    DEFAULT: Way(),
    "share chosen on validation": Way(is_trained=True, fusion={"is_share_chosen": True}),
    "predictor with a hidden layer, top 1 %": Way(is_trained=True, fusion={"scorer_width": 64}),
    "predictor with a hidden layer, share chosen": Way(
        is_trained=True, fusion={"scorer_width": 64, "is_share_chosen": True}
    ),
    "confidence >= 0.75, published": Way(0.75, is_trained=True, score=Score.CONFIDENCE),
    "confidence against the prevalence >= 0.75": Way(0.75),
    "certainty, top 1 %": Way(is_trained=True, score=Score.ENTROPY),
    "top 2 % of tokens": Way(share=0.02),
    "top 5 % of tokens": Way(share=0.05),
    "top 25 % of tokens": Way(share=0.25),
    "information, top 1 %": Way(share=0.01, score=Score.INFORMATION),
    "random tokens, same share": Way(is_random=True),
    "no split, plain mean": Way(EVERYTHING_IS_HIGH),
    "where the evidence is": Way(is_evidence=True),
    "attention instead of a split": Way(EVERYTHING_IS_HIGH, is_attention=True),
    "separate projections": Way(fusion={"shares_projection": False}),
    "late head as published": Way(fusion={"late": Late.MEAN}),
    "without joint": Way(fusion={"use_joint": False}),
    "without missingness": Way(fusion={"use_missingness": False}),
    "without late": Way(fusion={"use_late": False}),
    "without late, random tokens": Way(is_random=True, fusion={"use_late": False}),
    "without late, no split": Way(EVERYTHING_IS_HIGH, fusion={"use_late": False}),
    "without late, attention instead of a split": Way(
        EVERYTHING_IS_HIGH, is_attention=True, fusion={"use_late": False}
    ),
    "fuser lstm": Way(fusion={"fuser": Fuser.LSTM}),
    "fuser transformer": Way(fusion={"fuser": Fuser.TRANSFORMER}),
}


class Drawn(nn.Module):
    """A number per token and label that means nothing, at or above the threshold for a given share."""

    def __init__(self, share: Tensor) -> None:
        """Take the share (K,)."""
        super().__init__()
        self.register_buffer("threshold", 1.0 - share)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, K) in [0, 1)."""
        return torch.rand(*tokens.shape[:2], len(self.threshold))


class Known(nn.Module):
    """1 where the generator has put evidence of a label, 0 elsewhere; set `here` (B, N, K) before each call."""

    def __init__(self, labels: int) -> None:
        """Take K."""
        super().__init__()
        self.register_buffer("threshold", torch.full((labels,), 0.5))
        self.here = torch.zeros(0)

    def forward(self, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, K)."""
        return self.here


class Attended(nn.Module):
    """The fusion part on pools whose weights are learned: a softmax over tokens per label instead of two means."""

    def __init__(self, fusion: nn.Module, part: Mapping[Split, Part], labels: int) -> None:
        """Take the fusion part and the tokens."""
        super().__init__()
        self.fusion, self.part = fusion, part
        widths = {m: t.value.shape[2] for m, t in part[Split.TRAIN].tokens.items()}
        self.query = nn.ParameterDict({str(m): torch.zeros(width, labels) for m, width in widths.items()})

    def forward(self, features: Features, split: Split, index: Tensor) -> FusionOutput:
        """Logits of stays of a split."""
        modality = dict(features.modality)
        for m, tokens in self.part[split].tokens.items():
            value, mask = tokens.value[index], tokens.token_mask[index].unsqueeze(-1)
            weight = torch.softmax((value @ self.query[m]).masked_fill(~mask, -1e9), dim=1) * mask
            modality[m] = replace(modality[m], high=weight.transpose(1, 2) @ value)
        return self.fusion(Features(features.presence, modality))


class Plain(nn.Module):
    """The fusion part alone, called like `Attended`."""

    def __init__(self, fusion: nn.Module) -> None:
        """Take it."""
        super().__init__()
        self.fusion = fusion

    def forward(self, features: Features, split: Split, index: Tensor) -> FusionOutput:
        """Logits of the stays."""
        return self.fusion(features)


@torch.no_grad()
def found_evidence(part: Part, scorer: Mapping[Modality, nn.Module], table: Mapping[Modality, Tensor]) -> dict:
    """Share of the high tokens, and of all tokens, that show evidence: mean over labels, per note or image modality."""
    index, found = torch.arange(min(STAYS_LOOKED_AT, len(part.label))), {}
    for m, one in table.items():
        tokens, real = part.tokens[m].value[index], part.tokens[m].token_mask[index]
        shown = evidence(part, m, index, one)
        if isinstance(scorer[m], Known):
            scorer[m].here = shown
        high = (scorer[m](tokens, real) >= scorer[m].threshold)[real]
        shown = shown[real]
        hit = (shown * high).sum(dim=0) / high.sum(dim=0).clamp_min(1)
        found[str(m)] = [round(float(hit.mean()), 3), round(float(shown.mean()), 3)]
    return found
