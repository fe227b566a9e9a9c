"""The one spelling of each choice; every other module compares with these members."""

from enum import StrEnum


class Modality(StrEnum):
    """What a stay may bring; members are in the one order used everywhere."""

    EHR = "ehr"
    CXR = "cxr"
    RR = "rr"
    DN = "dn"


class Split(StrEnum):
    """Part of the cohort, assigned by subject."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Task(StrEnum):
    """What is predicted."""

    IN_HOSPITAL_MORTALITY = "in_hospital_mortality"
    PHENOTYPING = "phenotyping"


class Profile(StrEnum):
    """How raw rows become cells: as published, or with its mistakes repaired."""

    PUBLISHED = "published"
    CORRECTED = "corrected"


class Stage(StrEnum):
    """Steps of the training procedure, in order."""

    UNIMODAL = "unimodal"
    CONFIDENCE = "confidence"
    FUSION = "fusion"


class Rival(StrEnum):
    """Models that MedPatch is compared with; single modalities and late fusion come with the stages."""

    EARLY = "early"
    JOINT = "joint"
    ENSEMBLE = "ensemble"
    MEDFUSE = "medfuse"
    MMTM = "mmtm"
    DAFT = "daft"
    METRA = "metra"
    HEALNET = "healnet"
    DRFUSE = "drfuse"
    AVAILABILITY = "availability"
    BOOSTED_TREES = "boosted_trees"
    STACKING = "stacking"


UNTRAINED = frozenset({Rival.ENSEMBLE, Rival.STACKING})
"""Rivals that are made of other models' predictions."""


PHENOTYPES: tuple[str, ...] = (
    "Acute and unspecified renal failure",
    "Acute cerebrovascular disease",
    "Acute myocardial infarction",
    "Cardiac dysrhythmias",
    "Chronic kidney disease",
    "Chronic obstructive pulmonary disease and bronchiectasis",
    "Complications of surgical procedures or medical care",
    "Conduction disorders",
    "Congestive heart failure; nonhypertensive",
    "Coronary atherosclerosis and other heart disease",
    "Diabetes mellitus with complications",
    "Diabetes mellitus without complication",
    "Disorders of lipid metabolism",
    "Essential hypertension",
    "Fluid and electrolyte disorders",
    "Gastrointestinal hemorrhage",
    "Hypertension with complications and secondary hypertension",
    "Other liver diseases",
    "Other lower respiratory disease",
    "Other upper respiratory disease",
    "Pleurisy; pneumothorax; pulmonary collapse",
    "Pneumonia (except that caused by tuberculosis or sexually transmitted disease)",
    "Respiratory failure; insufficiency; arrest (adult)",
    "Septicemia (except in labor)",
    "Shock",
)
"""The 25 clinical conditions, alphabetical = the order of every (K,) axis.

Source: Harutyunyan et al. 2019 (doi:10.1038/s41597-019-0103-9), task of 25 care conditions.
"""

MORTALITY_LABEL = "in-hospital mortality"


def label_names(task: Task) -> tuple[str, ...]:
    """Names of the K labels of a task, in tensor order."""
    if task is Task.PHENOTYPING:
        return PHENOTYPES
    return (MORTALITY_LABEL,)
