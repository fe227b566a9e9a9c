"""Who is in the study, how long we watch them, and who is held out."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from medpatch.config.base import Frozen
from medpatch.config.name import Profile, Task


class Correction(StrEnum):
    """Mistakes of the published extraction that can be repaired; measured one by one in docs/deviations.md."""

    ADMISSION_AGE = "admission_age"
    """Deviates: years from the anchor year to admission are added to anchor_age."""
    ICD_VERSION = "icd_version"
    """Deviates: a diagnosis code counts in its own ICD version only."""
    ICD10_COVERAGE = "icd10_coverage"
    """Deviates: ICD-10 codes by HCUP's category (CCS for ICD-10-CM 2019.1), not by the forward mapping."""
    RECOVER_HADM_ID = "recover_hadm_id"
    """Deviates: a row or report without hadm_id counts for the admission that contains its time."""
    NUMBER_FROM_VALUENUM = "number_from_valuenum"
    """Deviates: the numeric column is read where the text holds no number."""
    UNITS_BY_ITEM = "units_by_item"
    """Deviates: FiO2 above 1, degrees F and inches are converted by item."""
    NUMERIC_MAXIMUM = "numeric_maximum"
    """Deviates: of several rates or mean pressures at one time the largest number counts, not the largest text."""
    PLAUSIBLE_LIMITS = "plausible_limits"
    """Deviates: outliers are dropped, other values brought into the valid range of their channel."""
    VALUE_KNOWN = "value_known"
    """Deviates: a measurement of the window counts only if it is stored before it ends, or has no stored time."""
    RACE_GROUP = "race_group"
    """Deviates: race is one of the eight groups of release 1.0."""
    REPORT_WINDOW = "report_window"
    """Deviates: a whole stay reads the reports of its window, not of its admission."""
    REPORT_KNOWN = "report_known"
    """Deviates: a report counts only if it is stored before the window ends, or has no stored time."""
    NOTE_TIME_ORDER = "note_time_order"
    """Deviates: notes are joined, and the discharge note chosen, in order of time."""
    NOTE_ONCE = "note_once"
    """Deviates: a row of the radiology table that repeats another word for word is joined once."""


class CohortConfig(Frozen):
    """Who is in the study and how long we watch them."""

    task: Task
    profile: Profile = Field(Profile.PUBLISHED, description="extraction rules: as published, or corrected")
    corrections: tuple[Correction, ...] | None = Field(
        None, description="the rules that are repaired, in place of the profile's none (published) or all (corrected)"
    )
    window_hours: int | None = Field(
        gt=0, description="observation window after intime, hours; none = the whole ICU stay"
    )
    min_age_years: int = Field(18, ge=0, description="youngest patient, years, inclusive")
    timestep_hours: float = Field(1.0, gt=0, description="width of one time bin, hours")
    view_position: str = Field("AP", description="radiograph projection that is used (MIMIC-CXR ViewPosition)")

    @field_validator("corrections", mode="before")
    @classmethod
    def _single_rule_may_be_typed_alone(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @property
    def rules(self) -> tuple[Correction, ...]:
        """The rules that are repaired."""
        if self.corrections is not None:
            return self.corrections
        return tuple(Correction) if self.profile is Profile.CORRECTED else ()


class SplitConfig(Frozen):
    """Which subjects train, select and test."""

    seed: int = Field(0, ge=0, description="seed of the md5 split by subject_id")
    val_fraction: float = Field(0.08, gt=0, lt=1, description="share of subjects used for selection")
    test_fraction: float = Field(0.20, gt=0, lt=1, description="share of subjects read once, at the end")
    follows_mimic_cxr: bool = Field(
        False, description="subjects with images take the split of MIMIC-CXR-JPG's own list; the others as otherwise"
    )
    list_dir: Path | None = Field(
        None,
        description="folder with testset_iv.csv and valset_iv.csv in the published format; overrides the hash",
    )

    @model_validator(mode="after")
    def _leaves_room_for_training(self) -> "SplitConfig":
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"split: val_fraction {self.val_fraction} + test_fraction {self.test_fraction} leave nothing "
                "to train on; choose fractions whose sum is below 1"
            )
        return self
