"""Arms of a study: the same patients with less to read, to see what a result rests on."""

from enum import StrEnum
from typing import Any

from medpatch.config.error import ConfigError
from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig


class Arm(StrEnum):
    """What is left out."""

    WITHOUT_DN = "without_dn"
    WITHOUT_CXR_REPORTS = "without_cxr_reports"
    KNOWN_BY_WINDOW_END = "known_by_window_end"


ARM_WORDS = {
    Arm.WITHOUT_DN: "Without discharge notes",
    Arm.WITHOUT_CXR_REPORTS: "Without reports of chest radiographs",
    Arm.KNOWN_BY_WINDOW_END: "Only reports known by the window's end",
}


def arm_overrides(arm: Arm, config: PipelineConfig) -> dict[str, Any]:
    """The fields that turn the configuration into the arm.

    Raises:
        ConfigError: the configuration has nothing that the arm could leave out.
    """
    modalities = config.modality.modalities
    left_out = Modality.DN if arm is Arm.WITHOUT_DN else Modality.RR
    if left_out not in modalities or len(modalities) == 1:
        raise ConfigError(
            f"arm {arm}: the run reads {[str(m) for m in modalities]}, no {left_out} to change; drop the arm"
        )
    if arm is Arm.WITHOUT_DN:
        return {"modality.modalities": [str(m) for m in modalities if m is not Modality.DN]}
    without_cxr = arm is Arm.WITHOUT_CXR_REPORTS
    return {"modality.text_arms": ["radiology_without_cxr_reports" if without_cxr else "reports_known_by_window_end"]}
