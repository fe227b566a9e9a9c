"""What models and labels are called and how they look, the same in every table and picture."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from medpatch.config.name import PHENOTYPES, Modality, Task
from medpatch.config.train import Head

TASK_WORDS = {Task.IN_HOSPITAL_MORTALITY: "in-hospital mortality", Task.PHENOTYPING: "25 clinical conditions"}

MADE_UP = "MADE UP"
"""Mark of invented patients, or of real ones paired with invented modalities."""

MEDPATCH = "medpatch"
LATE = "late"
EARLY = "early"
ENSEMBLE = "ensemble"
STACKING = "stacking"
ENSEMBLE_MEMBERS = (EARLY, "joint", LATE)
UNIMODAL_PREFIX = "unimodal_"
CONFIDENCE_PREFIX = "confidence_"
WITHOUT_PREFIX = "medpatch_without_"
"""Rows of MedPatch with one modality taken away from every stay: for drop curves, not for the result tables."""
AVAILABILITY = "availability"
HEAD_MODELS = ("medpatch_high", "medpatch_low", "medpatch_late")
"""Parts of MedPatch that are shown in tables and not drawn as a model of their own."""

HEAD_WORDS = {
    Head.LATE: "weighted sum of all heads (late)",
    Head.HIGH: "joint head on high-confidence tokens (high)",
    Head.LOW: "joint head on low-confidence tokens (low)",
}
"""What MedPatch's outputs are; "late" alone would be taken for the rival of that name."""


def auroc_of(labels: int) -> str:
    """What the AUROC of a task of so many labels is called."""
    return "macro AUROC" if labels > 1 else "AUROC"


class Group(StrEnum):
    """Kind of clinical condition."""

    ACUTE = "acute"
    MIXED = "mixed"
    CHRONIC = "chronic"


_GROUP_LETTERS = "AAAMCCAMMCMCCCAACMAAAAAAA"

PHENOTYPE_GROUP: dict[str, Group] = {
    name: {"A": Group.ACUTE, "M": Group.MIXED, "C": Group.CHRONIC}[letter]
    for name, letter in zip(PHENOTYPES, _GROUP_LETTERS, strict=True)
}
"""Source: Harutyunyan et al. 2019 (doi:10.1038/s41597-019-0103-9), table of the 25 conditions."""


@dataclass(frozen=True)
class ModelStyle:
    """How one model is written and drawn.

    Attributes:
        label: words for people.
        short: at most 14 characters, for the terminal.
        colour: hexadecimal, from Okabe and Ito's palette, told apart by colour-blind readers.
        marker: matplotlib marker, so that colour is never the only sign.
        line: matplotlib line style.
    """

    label: str
    short: str
    colour: str
    marker: str
    line: str | tuple[int, tuple[int, ...]] = "-"


_DASH_DOT = (0, (4, 1, 1, 1))

STYLES: dict[str, ModelStyle] = {
    MEDPATCH: ModelStyle("MedPatch", "MedPatch", "#0072B2", "o"),
    "medpatch_late": ModelStyle("MedPatch, weighted sum of all heads", "MedPatch late", "#0072B2", "s", "--"),
    "medpatch_high": ModelStyle("MedPatch, high-confidence head", "MedPatch high", "#0072B2", "^", "--"),
    "medpatch_low": ModelStyle("MedPatch, low-confidence head", "MedPatch low", "#0072B2", "v", ":"),
    LATE: ModelStyle("Late fusion: mean of single models", "Late fusion", "#E69F00", "D", _DASH_DOT),
    STACKING: ModelStyle("Stacked late fusion", "Stacked late", "#E69F00", "v", (0, (1, 1))),
    EARLY: ModelStyle("Early fusion: joined features", "Early fusion", "#CC79A7", "P", (0, (5, 1))),
    "joint": ModelStyle("Joint fusion: trained end to end", "Joint fusion", "#882255", "X", (0, (6, 2))),
    "ensemble": ModelStyle("Ensemble", "Ensemble", "#AA4499", "d", (0, (2, 1))),
    "medfuse": ModelStyle("MedFuse", "MedFuse", "#117733", "H", (0, (3, 1, 1, 1))),
    "mmtm": ModelStyle("MMTM", "MMTM", "#999933", "8", (0, (7, 1, 1, 1))),
    "daft": ModelStyle("DAFT", "DAFT", "#44AA99", "*", (0, (1, 2))),
    "metra": ModelStyle("MeTra", "MeTra", "#332288", "h", (0, (4, 2, 1, 2))),
    "healnet": ModelStyle("HEALNet", "HEALNet", "#661100", "<", (0, (8, 2))),
    "drfuse": ModelStyle("DrFuse", "DrFuse", "#6699CC", ">", (0, (5, 1, 1, 1, 1, 1))),
    "boosted_trees": ModelStyle("Boosted trees", "Boosted trees", "#555555", "D", (0, (3, 2))),
    AVAILABILITY: ModelStyle("Availability alone", "Availability", "#999999", "x", ":"),
    "unimodal_ehr": ModelStyle("EHR only", "EHR only", "#009E73", "s"),
    "unimodal_cxr": ModelStyle("Chest X-ray only", "CXR only", "#56B4E9", "p", "--"),
    "unimodal_rr": ModelStyle("Radiology reports only", "Reports only", "#D55E00", "<", "-."),
    "unimodal_dn": ModelStyle("Discharge note only", "Discharge only", "#6E5B00", ">", (0, (1, 1))),
}
_SPARE = ("#882255", "#44AA99", "#332288", "#999933", "#AA4499", "#117733")


def style(model: str) -> ModelStyle:
    """Words and looks of a model; one that is not listed gets a fixed spare colour."""
    if model in STYLES:
        return STYLES[model]
    colour = _SPARE[sum(model.encode()) % len(_SPARE)]
    words = model.replace("_", " ").capitalize()
    return ModelStyle(words, words[:14], colour, "h", (0, (3, 1, 1, 1, 1, 1)))


def title(model: str) -> str:
    """The words of the result tables for a model, or for the stage that judges the tokens of one modality."""
    if model.startswith(CONFIDENCE_PREFIX):
        return f"{style(unimodal(model.removeprefix(CONFIDENCE_PREFIX))).label}: confidence of its tokens"
    return style(model).label


def in_order(models: Iterable[str]) -> tuple[str, ...]:
    """Models in the order of every table: MedPatch, its heads, other fusion models, single modalities."""
    listed = list(STYLES)
    spare_place = listed.index("unimodal_ehr") - 0.5

    def place(model: str) -> tuple[float, str]:
        return (listed.index(model) if model in listed else spare_place, model)

    return tuple(sorted(models, key=place))


def compared(models: Iterable[str]) -> tuple[str, ...]:
    """The models of the result tables in their order; MedPatch without a modality is not one of them."""
    return in_order(model for model in models if not model.startswith(WITHOUT_PREFIX))


def unimodal(modality: Modality | str) -> str:
    """Name of the model that sees one modality."""
    return f"{UNIMODAL_PREFIX}{modality}"


def is_unimodal(model: str) -> bool:
    """True for a model that sees one modality."""
    return model.startswith(UNIMODAL_PREFIX)


def modality_set(model: str, modalities: Iterable[Modality]) -> str:
    """What the model sees, as the oracle tables write it: "ehr+cxr+rr"."""
    if is_unimodal(model):
        return model.removeprefix(UNIMODAL_PREFIX)
    return "+".join(m for m in Modality if m in tuple(modalities))


def over_seeds(runs: int) -> str:
    """What a caption adds where a curve is the mean over several trainings."""
    return f", mean over {runs} training seeds" if runs > 1 else ""
