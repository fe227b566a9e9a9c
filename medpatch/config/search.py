"""Whose learning rate can be searched, and which field it is."""

from enum import StrEnum

from medpatch.config.name import Rival

SearchPart = StrEnum(
    "SearchPart",
    {"ALL": "all", "UNIMODAL": "unimodal", "CONFIDENCE": "confidence", "FUSION": "fusion"}
    | {rival.name: str(rival) for rival in Rival if rival is not Rival.ENSEMBLE},
)
"""Every stage together, one stage, or a rival; the ensemble is not trained."""


def searched_field(part: SearchPart) -> str:
    """The dotted name of the learning rate of that part."""
    return "train.learning_rate" if part is SearchPart.ALL else f"train.rate.{part}"
