"""Arms leave out what they say, and are refused where there is nothing to leave out."""

import pytest

from medpatch.config.arm import Arm, arm_overrides
from medpatch.config.error import ConfigError
from medpatch.config.override import apply_overrides
from medpatch.config.preset import in_hospital_mortality, phenotyping


def test_arm_without_discharge_notes_keeps_the_other_modalities() -> None:
    config = phenotyping()
    arm = apply_overrides(config, arm_overrides(Arm.WITHOUT_DN, config))
    assert [str(m) for m in arm.modality.modalities] == ["ehr", "cxr", "rr"]


def test_discharge_notes_cannot_be_left_out_of_a_run_that_has_none() -> None:
    with pytest.raises(ConfigError, match=r"arm without_dn: the run reads \['ehr', 'cxr', 'rr'\], no dn"):
        arm_overrides(Arm.WITHOUT_DN, in_hospital_mortality())


@pytest.mark.parametrize(
    ("arm", "name"),
    [
        (Arm.WITHOUT_CXR_REPORTS, "radiology_without_cxr_reports"),
        (Arm.KNOWN_BY_WINDOW_END, "reports_known_by_window_end"),
    ],
)
def test_text_arms_are_named_as_extraction_names_them(arm: Arm, name: str) -> None:
    assert arm_overrides(arm, phenotyping()) == {"modality.text_arms": [name]}
