"""Configuration: immutable, closed, digested, and refusing what cannot work."""

import re

import pytest
from pydantic import ValidationError

from medpatch.config.cohort import Correction
from medpatch.config.error import ConfigError
from medpatch.config.modality import TextArm
from medpatch.config.name import PHENOTYPES, UNTRAINED, Modality, Rival, Task, label_names
from medpatch.config.override import apply_overrides, parse_overrides
from medpatch.config.part import confidence_part, encoder_part, feature_part, fusion_part, rival_part
from medpatch.config.path import PathConfig, code_digest
from medpatch.config.preset import PRESETS, preset
from medpatch.config.train import RateConfig


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_and_has_its_own_digest(name: str) -> None:
    others = {preset(other).digest() for other in PRESETS if other != name}
    assert preset(name).digest() not in others


def test_unknown_preset_error_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="tiny_phenotyping"):
        preset("no_such_preset")


def test_unknown_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="train.sed"):
        apply_overrides(preset("phenotyping"), {"train.sed": 3})


def test_unknown_section_is_refused() -> None:
    with pytest.raises(ConfigError, match="trian.seed"):
        apply_overrides(preset("phenotyping"), {"trian.seed": 3})


def test_override_as_text_takes_the_type_of_its_field() -> None:
    changed = apply_overrides(preset("phenotyping"), parse_overrides(["train.seed=3", "train.learning_rate=1e-4"]))
    assert (changed.train.seed, changed.train.learning_rate) == (3, 1e-4)


def test_override_outside_its_bound_names_the_field() -> None:
    with pytest.raises(ConfigError, match=r"train\.batch_size.*greater than 0"):
        apply_overrides(preset("phenotyping"), {"train.batch_size": 0})


def test_override_without_equals_sign_says_how_to_write_it() -> None:
    with pytest.raises(ConfigError, match=r"section\.field=value"):
        parse_overrides(["train.seed"])


def test_discharge_note_is_refused_for_mortality() -> None:
    with pytest.raises(ConfigError, match="discharge note"):
        apply_overrides(preset("in_hospital_mortality"), {"modality.modalities": ["ehr", "dn"]})


def test_mortality_without_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="window_hours"):
        apply_overrides(preset("in_hospital_mortality"), {"cohort.window_hours": None})


def test_modalities_are_put_in_the_one_order() -> None:
    changed = apply_overrides(preset("phenotyping"), {"modality.modalities": ["rr", "ehr"]})
    assert changed.modality.modalities == (Modality.EHR, Modality.RR)


def test_fields_cannot_be_assigned() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        preset("phenotyping").train.seed = 3  # type: ignore[misc]


def test_learning_rate_changes_the_run_but_not_the_data() -> None:
    base, other = preset("phenotyping"), apply_overrides(preset("phenotyping"), {"train.learning_rate": 0.5})
    assert base.data_digest("raw") == other.data_digest("raw")
    assert base.run_digest("raw") != other.run_digest("raw")


def test_window_and_raw_files_change_the_data() -> None:
    base = preset("in_hospital_mortality")
    shorter = apply_overrides(base, {"cohort.window_hours": 24})
    assert len({base.data_digest("a"), base.data_digest("b"), shorter.data_digest("a")}) == 3


@pytest.mark.parametrize("head", ["high", "low"])
def test_head_of_the_joint_module_cannot_be_reported_without_it(head: str) -> None:
    ablation = {"model.fusion.use_joint": False, "evaluate.head": head}
    with pytest.raises(ConfigError, match="there is no such head; report late"):
        apply_overrides(preset("in_hospital_mortality"), ablation)


def test_labels_of_both_tasks() -> None:
    assert len(PHENOTYPES) == 25
    assert list(PHENOTYPES) == sorted(PHENOTYPES)
    assert len(label_names(Task.IN_HOSPITAL_MORTALITY)) == 1


def test_split_fractions_must_leave_training_subjects() -> None:
    with pytest.raises(ConfigError, match="leave nothing"):
        apply_overrides(preset("phenotyping"), {"split.val_fraction": 0.5, "split.test_fraction": 0.5})


def test_paths_come_from_the_environment_when_not_given(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("MEDPATCH_RAW_DIR", str(tmp_path / "raw"))
    monkeypatch.setenv("MEDPATCH_WORK_DIR", str(tmp_path / "out"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths = PathConfig.from_environment()
    assert (paths.raw_dir, paths.work_dir) == (tmp_path / "raw", tmp_path / "out")
    assert paths.tracking_uri == f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}"


def test_code_digest_depends_on_the_parts_named() -> None:
    assert code_digest(("config",)) != code_digest(("align",))


def test_override_none_and_lists_can_be_typed() -> None:
    pairs = ["modality.modalities=ehr,rr", "modality.note_max_chunks=none"]
    changed = apply_overrides(preset("tiny_phenotyping"), parse_overrides(pairs))
    assert changed.modality.modalities == (Modality.EHR, Modality.RR)
    assert changed.modality.note_max_chunks is None


@pytest.mark.parametrize(("typed", "rivals"), [("early", ("early",)), ("early,mmtm", ("early", "mmtm")), ("none", ())])
def test_a_list_may_be_typed_as_one_word_several_or_none(typed: str, rivals: tuple[str, ...]) -> None:
    changed = apply_overrides(preset("tiny_phenotyping"), parse_overrides([f"evaluate.rivals={typed}"]))
    assert changed.evaluate.rivals == rivals


def test_a_fusion_option_names_no_other_encoder_and_a_unimodal_rate_does() -> None:
    base = preset("tiny_phenotyping")
    fusion = apply_overrides(base, {"model.fusion.fuser": "lstm", "train.rate.fusion": 0.1, "train.rate.mmtm": 0.1})
    unimodal = apply_overrides(base, {"train.rate.unimodal": 0.1})
    assert encoder_part(fusion) == encoder_part(base)
    assert encoder_part(unimodal) != encoder_part(base)
    assert fusion_part(fusion) != fusion_part(base)
    assert rival_part(fusion, Rival.MMTM) != rival_part(base, Rival.MMTM)
    assert rival_part(fusion, Rival.DAFT) == rival_part(base, Rival.DAFT)


def test_every_training_setting_belongs_to_a_part_or_changes_no_result() -> None:
    config = preset("tiny_phenotyping")
    changes_nothing = {"compile_encoders", "device", "processes", "state_seconds"}
    parts = (encoder_part(config), confidence_part(config), fusion_part(config), rival_part(config, Rival.JOINT))
    read = {name for part in parts for name in part["train"]} | set(feature_part(config, Modality.CXR))
    assert read | changes_nothing | {"rate", "learning_rate"} == set(type(config.train).model_fields)


def test_every_rival_has_a_learning_rate_of_its_own() -> None:
    assert {"unimodal", "confidence", "fusion", *Rival} - UNTRAINED == set(RateConfig.model_fields)


def test_profile_decides_the_corrections_unless_they_are_named() -> None:
    published, corrected = (
        preset("phenotyping"),
        apply_overrides(preset("phenotyping"), {"cohort.profile": "corrected"}),
    )
    named = apply_overrides(corrected, parse_overrides(["cohort.corrections=icd_version,race_group"]))
    assert published.cohort.rules == ()
    assert corrected.cohort.rules == tuple(Correction)
    assert named.cohort.rules == (Correction.ICD_VERSION, Correction.RACE_GROUP)
    assert len({c.data_digest("raw") for c in (published, corrected, named)}) == 3


def test_single_correction_may_be_typed_alone_and_an_unknown_one_is_refused() -> None:
    alone = apply_overrides(preset("phenotyping"), parse_overrides(["cohort.corrections=race_group"]))
    assert alone.cohort.rules == (Correction.RACE_GROUP,)
    with pytest.raises(ConfigError, match="plausible_limits"):
        apply_overrides(preset("phenotyping"), {"cohort.corrections": ["limits"]})


def test_arm_with_discharge_note_adds_the_modality() -> None:
    pairs = ["modality.modalities=ehr,rr", "modality.text_arms=with_discharge_note"]
    changed = apply_overrides(preset("phenotyping"), parse_overrides(pairs))
    assert changed.modality.modalities == (Modality.EHR, Modality.RR, Modality.DN)


def test_arm_with_discharge_note_is_refused_for_mortality() -> None:
    with pytest.raises(ConfigError, match="discharge note"):
        apply_overrides(preset("in_hospital_mortality"), {"modality.text_arms": ["with_discharge_note"]})


def test_arms_can_be_combined_and_taken_back() -> None:
    both = apply_overrides(
        preset("phenotyping"),
        parse_overrides(["modality.text_arms=radiology_without_cxr_reports,reports_known_by_window_end"]),
    )
    none = apply_overrides(both, parse_overrides(["modality.text_arms=none"]))
    assert both.modality.text_arms == (TextArm.RADIOLOGY_WITHOUT_CXR_REPORTS, TextArm.REPORTS_KNOWN_BY_WINDOW_END)
    assert none == preset("phenotyping")


def test_misspelt_override_is_answered_with_the_field_that_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"did you mean train\.seed"):
        apply_overrides(preset("tiny_phenotyping"), {"train.sed": 3})


def test_unknown_override_of_a_section_lists_that_section_alone() -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.head") as caught:
        apply_overrides(preset("tiny_phenotyping"), {"evaluate.zzzzzz": 3})
    assert "train.seed" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("train.seed=abc", "train.seed: expected a whole number, found 'abc'"),
        ("train.seed=none", "train.seed: expected a whole number, found none"),
        ("train.seed=1.5", "train.seed: expected a whole number, found '1.5'"),
        ("train.learning_rate=fast", "train.learning_rate: expected a number, found 'fast'"),
        (
            "cohort.min_age_years=-3",
            "cohort.min_age_years: expected a number greater than or equal to 0, found '-3'",
        ),
        ("model.fusion.use_late=perhaps", "model.fusion.use_late: expected true or false, found 'perhaps'"),
        ("train.device=cudo", "train.device: expected 'auto', 'cpu' or 'cuda', found 'cudo'; did you mean cuda?"),
        ("modality.modalities=none", "modality.modalities: expected a list of at least 1, found ()"),
        ("train=5", "'train' names no field; it is a section, with the fields train."),
    ],
)
def test_a_refused_value_is_quoted_with_what_was_expected(typed: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        apply_overrides(preset("tiny_phenotyping"), parse_overrides([typed]))


def test_a_misspelt_item_of_a_list_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"^evaluate\.rivals: .*, found 'medfus'; did you mean medfuse\?$"):
        apply_overrides(preset("tiny_phenotyping"), parse_overrides(["evaluate.rivals=early,medfus"]))


def test_a_rule_over_several_fields_is_said_in_its_own_words() -> None:
    with pytest.raises(ConfigError, match=r"^split: val_fraction 0\.5 \+ test_fraction 0\.5 leave nothing"):
        apply_overrides(preset("phenotyping"), {"split.val_fraction": 0.5, "split.test_fraction": 0.5})
    with pytest.raises(ConfigError, match=r"^cohort\.window_hours: in-hospital mortality needs a window"):
        apply_overrides(preset("in_hospital_mortality"), {"cohort.window_hours": None})


def test_unknown_device_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="train.device"):
        apply_overrides(preset("tiny_phenotyping"), {"train.device": "gpu0"})
