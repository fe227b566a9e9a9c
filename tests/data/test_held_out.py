"""Who chooses on validation, and who is kept for calibration."""

import numpy as np
import pytest

from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import tiny_in_hospital_mortality
from medpatch.data.held_out import is_calibration_subject, split_val


@pytest.fixture(scope="module")
def config() -> PipelineConfig:
    return tiny_in_hospital_mortality()


def test_calibration_subjects_depend_on_the_id_alone_and_make_up_the_share() -> None:
    ids = np.arange(10_000)
    kept = is_calibration_subject(ids, share=0.3, seed=0)
    assert kept.mean() == pytest.approx(0.3, abs=0.02)
    assert np.array_equal(kept[500:600], is_calibration_subject(ids[500:600], share=0.3, seed=0))
    assert not np.array_equal(kept, is_calibration_subject(ids, share=0.3, seed=1))


def test_val_stays_choose_or_calibrate_but_not_both(config: PipelineConfig) -> None:
    parts = split_val(np.arange(200), config)
    assert sorted([*parts.selection, *parts.held_out]) == list(range(200))


def test_stays_of_one_subject_stay_together(config: PipelineConfig) -> None:
    subject = np.arange(200) // 4
    parts = split_val(subject, config)
    assert not set(subject[parts.selection]) & set(subject[parts.held_out])


def test_few_val_stays_all_choose(config: PipelineConfig) -> None:
    parts = split_val(np.arange(12), config)
    assert (len(parts.selection), len(parts.held_out)) == (12, 0)
