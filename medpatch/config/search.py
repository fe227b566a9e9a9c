"""Whose learning rate can be searched, which field it is, and from where to where."""

import math
from dataclasses import dataclass
from enum import StrEnum

from medpatch.config.error import ConfigError
from medpatch.config.name import UNTRAINED, Rival
from medpatch.config.pipeline import PipelineConfig

SearchPart = StrEnum(
    "SearchPart",
    {"ALL": "all", "UNIMODAL": "unimodal", "CONFIDENCE": "confidence", "FUSION": "fusion"}
    | {rival.name: str(rival) for rival in Rival if rival not in UNTRAINED},
)
"""Every stage together, one stage, or a rival; what is made of other models is not trained."""


def searched_field(part: SearchPart) -> str:
    """The dotted name of the learning rate of that part."""
    return "train.learning_rate" if part is SearchPart.ALL else f"train.rate.{part}"


PAPER_RANGE = (1e-5, 1e-3)
AROUND = 10.0


def search_range(
    config: PipelineConfig, part: SearchPart, *, low: float | None = None, high: float | None = None
) -> tuple[float, float]:
    """The smallest and the largest learning rate to try for a part; what is given is kept.

    That of MedPatch where the part's own rate lies within it, else from a tenth of its own rate to ten times as
    much: small networks, and the shrinkage of trees, are of another size.

    Source: MedPatch draws its rates from 1e-5 to 1e-3.
    """
    rates = config.train
    own = rates.learning_rate if part is SearchPart.ALL else rates.rate_of(str(part))
    usual = PAPER_RANGE if PAPER_RANGE[0] <= own <= PAPER_RANGE[1] else (own / AROUND, own * AROUND)
    return usual[0] if low is None else low, usual[1] if high is None else high


@dataclass(frozen=True)
class SearchSettings:
    """What is searched.

    Attributes:
        trials: learning rates to judge.
        seeds: training seeds of each; a trial that falls behind after one of them is not given the others.
        low: smallest learning rate.
        high: largest; the scale between them is logarithmic.
    """

    trials: int
    seeds: tuple[int, ...]
    low: float = PAPER_RANGE[0]
    high: float = PAPER_RANGE[1]

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        if self.trials < 1 or not self.seeds or not 0 < self.low < self.high < math.inf:
            raise ConfigError(
                f"search: {self.trials} trials, {len(self.seeds)} seeds, rates from {self.low} to {self.high}; "
                "needs at least one trial, one seed, and 0 < low < high (--low, --high)"
            )
