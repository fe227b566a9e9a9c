"""Every metric of every resample equals what a kept library says with the counts as weights."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from medpatch.evaluate.bootstrap import Draws, draw_subjects
from medpatch.evaluate.calibration import expected_calibration_error
from medpatch.evaluate.estimate import estimate
from medpatch.evaluate.replicate import METRICS, Replicates, draw_runs, over_runs, replicate_all, summed

RESAMPLES = 12


@pytest.fixture(scope="module")
def cohort() -> tuple[np.ndarray, np.ndarray, Draws]:
    random = np.random.default_rng(4)
    subject_id, logit = random.integers(0, 400, 600), random.normal(size=(600, 2)) * 1.5 - 1
    label = (random.random(logit.shape) < 1 / (1 + np.exp(-0.7 * logit))).astype(int)
    return logit, label, draw_subjects(subject_id, resamples=RESAMPLES, seed=0)


@pytest.fixture(scope="module")
def found(cohort: tuple[np.ndarray, np.ndarray, Draws]) -> Replicates:
    logit, label, draws = cohort
    return replicate_all(logit, 1 / (1 + np.exp(-logit)), label=label, draws=draws, bins=10)


def repeated(values: np.ndarray, draws: Draws, r: int) -> np.ndarray:
    """The rows of resample r, each as often as its subject was drawn."""
    return np.repeat(values, draws.count[draws.subject, r].astype(int), axis=0)


def test_brier_equals_scikit_learn(cohort, found: Replicates) -> None:
    logit, label, draws = cohort
    for r in range(RESAMPLES):
        probability, drawn = repeated(1 / (1 + np.exp(-logit)), draws, r), repeated(label, draws, r)
        expected = [brier_score_loss(drawn[:, k], probability[:, k]) for k in range(2)]
        np.testing.assert_allclose(found.brier[r], expected, atol=1e-6)


def test_ece_equals_the_one_of_the_drawn_stays(cohort, found: Replicates) -> None:
    logit, label, draws = cohort
    for r in range(RESAMPLES):
        probability, drawn = repeated(1 / (1 + np.exp(-logit)), draws, r), repeated(label, draws, r)
        np.testing.assert_allclose(found.ece[r], expected_calibration_error(probability, drawn), atol=1e-6)


def test_one_newton_step_is_close_to_the_logistic_regression_of_the_drawn_stays(cohort, found: Replicates) -> None:
    logit, label, draws = cohort
    for r in range(RESAMPLES):
        x, y = repeated(logit, draws, r)[:, 0], repeated(label, draws, r)[:, 0]
        both = GLM(y, np.column_stack([np.ones(len(x)), x]), family=Binomial()).fit().params
        shift = GLM(y, np.ones((len(x), 1)), family=Binomial(), offset=x).fit().params
        # the resamples themselves spread by about 0.08 and 0.1
        assert found.slope[r, 0] == pytest.approx(both[1], abs=0.02)
        assert found.intercept[r, 0] == pytest.approx(shift[0], abs=0.01)


def test_resample_with_one_class_has_no_slope_and_no_intercept() -> None:
    logit, label = np.arange(8.0)[:, None] - 4, np.array([[0], [0], [1], [0], [0], [0], [0], [1]])
    draws = Draws(count=np.array([[1, 3]] * 2 + [[1, 0]] + [[1, 1]] * 4 + [[1, 0]], np.float32), subject=np.arange(8))
    found = replicate_all(logit, 1 / (1 + np.exp(-logit)), label=label, draws=draws, bins=10)
    assert np.isfinite([found.slope[0, 0], found.intercept[0, 0]]).all()
    assert np.isnan([found.slope[1, 0], found.intercept[1, 0]]).all()
    assert np.isfinite(found.brier).all()


def test_sums_count_each_stay_as_often_as_its_subject_was_drawn() -> None:
    # subject 7 owns the first and third stay and is drawn twice
    draws = Draws(count=np.array([[2], [1]], np.float32), subject=np.array([0, 1, 0]))
    assert summed(np.array([[1.0], [10.0], [100.0]]), draws).tolist() == [[212.0]]


def test_centred_interval_holds_its_value_and_stays_a_share() -> None:
    found = estimate(0.1, np.linspace(0.3, 0.9, 101), level=0.9, is_centred=True)
    # moved down by 0.5: from -0.17 to 0.37, cut at 0
    assert (found.low, found.high) == (0.0, pytest.approx(0.37))


def test_runs_are_drawn_as_often_as_there_are() -> None:
    drawn = draw_runs(3, resamples=50, seed=0)
    assert (drawn.sum(axis=0) == 3).all()
    assert len(np.unique(drawn, axis=1).T) > 3


def test_mean_over_runs_weighs_each_run_by_how_often_it_was_drawn() -> None:
    one, two = (Replicates(**dict.fromkeys(METRICS, np.full((2, 1), value))) for value in (0.6, 0.9))
    mean = over_runs([one, two], np.array([[2.0, 1.0], [0.0, 1.0]]))
    np.testing.assert_allclose(mean.auroc[:, 0], [0.6, 0.75])


def test_mean_over_runs_skips_a_run_without_a_value() -> None:
    one, two = (Replicates(**dict.fromkeys(METRICS, np.full((1, 1), value))) for value in (0.6, np.nan))
    assert over_runs([one, two], np.array([[1.0], [1.0]])).slope[0, 0] == 0.6
