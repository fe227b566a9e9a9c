"""Whose learning rate can be searched, and which field it is."""

from enum import StrEnum

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
