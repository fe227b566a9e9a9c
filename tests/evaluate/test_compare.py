"""Paired p-values are exact on hand-made resamples and corrected for the number of models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medpatch.config.name import Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.compare import bootstrap_p, compare, holm
from medpatch.evaluate.name import compared
from medpatch.evaluate.prediction import SplitPrediction, read_predictions
from medpatch.evaluate.summary import judge_models

from .made_up import made_up_rows, write_rows


@pytest.fixture
def test(tmp_path: Path, mortality: PipelineConfig) -> SplitPrediction:
    path = write_rows(made_up_rows(Task.IN_HOSPITAL_MORTALITY), tmp_path)
    return read_predictions(path, Split.TEST, label_names=mortality.labels)


def compare_all(prediction: SplitPrediction, config: PipelineConfig, runs: int = 1):
    judged = judge_models((prediction,) * runs, compared(prediction.models), config=config.evaluate)
    return {c.model: c for c in compare(judged, (prediction,) * runs, level=0.95)}


def test_p_counts_the_smaller_side_twice_and_the_observation_in() -> None:
    # 3 of 99 resamples at or below 0: 2 * (1 + 3) / 100
    assert bootstrap_p(np.concatenate([np.full(96, 0.1), np.full(3, -0.1)])) == pytest.approx(0.08)


def test_p_is_never_zero_and_never_above_one() -> None:
    assert bootstrap_p(np.full(999, 0.2)) == pytest.approx(0.002)
    assert bootstrap_p(np.zeros(10)) == 1.0


def test_p_of_resamples_without_a_value_is_nan() -> None:
    assert np.isnan(bootstrap_p(np.full(4, np.nan)))


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.03, 0.04 times 3, 2, 1, then made monotone: 0.03, 0.06, 0.06
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_holm_leaves_a_comparison_without_a_value_out_of_the_count() -> None:
    found = holm([0.02, float("nan"), 0.03])
    assert found[0] == pytest.approx(0.04)
    assert np.isnan(found[1])


def test_heads_are_not_rivals(test: SplitPrediction, mortality: PipelineConfig) -> None:
    found = compare_all(test, mortality)
    assert set(found) == {"late", "early", "unimodal_ehr", "unimodal_cxr", "unimodal_rr"}


def test_a_copy_of_medpatch_shows_no_difference(test: SplitPrediction, mortality: PipelineConfig) -> None:
    twin = replace(test, models={"medpatch": test.models["medpatch"], "early": test.models["medpatch"]})
    found = compare_all(twin, mortality)["early"]
    assert (found.auroc.value, found.auroc.low, found.auroc.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_one_label_has_delong_and_many_have_not(
    test: SplitPrediction, mortality: PipelineConfig, phenotyping: PipelineConfig, tmp_path: Path
) -> None:
    assert all(c.delong is not None for c in compare_all(test, mortality).values())
    path = write_rows(made_up_rows(Task.PHENOTYPING, stays=40), tmp_path / "many")
    many = read_predictions(path, Split.TEST, label_names=phenotyping.labels)
    assert all(c.delong is None for c in compare_all(many, phenotyping).values())


def test_copies_of_one_run_give_the_values_and_intervals_of_one(
    test: SplitPrediction, mortality: PipelineConfig
) -> None:
    once, thrice = compare_all(test, mortality), compare_all(test, mortality, runs=3)
    assert thrice["late"].auroc.low == pytest.approx(once["late"].auroc.low)
    assert thrice["late"].p == once["late"].p


def test_without_medpatch_nothing_is_compared(test: SplitPrediction, mortality: PipelineConfig) -> None:
    judged = judge_models((test,), ("late", "early"), config=mortality.evaluate)
    assert compare(judged, (test,), level=0.95) == ()
