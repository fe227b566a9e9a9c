"""Who is in the study, how long we watch them, and who is held out."""

from pathlib import Path

from pydantic import Field, model_validator

from medpatch.config.base import Frozen
from medpatch.config.name import Profile, Task


class CohortConfig(Frozen):
    """Who is in the study and how long we watch them."""

    task: Task
    profile: Profile = Field(Profile.PUBLISHED, description="extraction rules: as published, or corrected")
    window_hours: int | None = Field(
        gt=0, description="observation window after intime, hours; None = the whole ICU stay"
    )
    min_age_years: int = Field(18, ge=0, description="youngest patient, years, inclusive")
    timestep_hours: float = Field(1.0, gt=0, description="width of one time bin, hours")
    view_position: str = Field("AP", description="radiograph projection that is used (MIMIC-CXR ViewPosition)")


class SplitConfig(Frozen):
    """Which subjects train, select and test."""

    seed: int = Field(0, ge=0, description="seed of the md5 split by subject_id")
    val_fraction: float = Field(0.08, gt=0, lt=1, description="share of subjects used for selection")
    test_fraction: float = Field(0.20, gt=0, lt=1, description="share of subjects read once, at the end")
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
