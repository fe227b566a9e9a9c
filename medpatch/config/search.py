"""Whose learning rate can be searched, which field it is, and from where to where."""

import math
from dataclasses import dataclass
from enum import StrEnum

from medpatch.config.error import ConfigError
from medpatch.config.name import UNTRAINED, Rival

SearchPart = StrEnum(
    "SearchPart",
    {"ALL": "all", "UNIMODAL": "unimodal", "CONFIDENCE": "confidence", "FUSION": "fusion"}
    | {rival.name: str(rival) for rival in Rival if rival not in UNTRAINED},
)
"""Every stage together, one stage, or a rival; what is made of other models is not trained."""


def searched_field(part: SearchPart) -> str:
    """The dotted name of the learning rate of that part."""
    return "train.learning_rate" if part is SearchPart.ALL else f"train.rate.{part}"


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
    low: float = 1e-5
    high: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        if self.trials < 1 or not self.seeds or not 0 < self.low < self.high < math.inf:
            raise ConfigError(
                f"search: {self.trials} trials, {len(self.seeds)} seeds, rates from {self.low} to {self.high}; "
                "needs at least one trial, one seed, and 0 < low < high (--low, --high)"
            )
