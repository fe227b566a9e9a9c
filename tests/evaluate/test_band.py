"""Curves over several trainings: scikit-learn's for one, the mean for many, bands that hold it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from medpatch.config.name import Modality, Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.band import band, cumulate, net_benefit_on, precision_on, roc_on
from medpatch.evaluate.decision import net_benefit
from medpatch.evaluate.figure_curve import pr_picture, roc_picture
from medpatch.evaluate.missing import drop_curves
from medpatch.evaluate.prediction import SplitPrediction, read_predictions
from medpatch.evaluate.reliability import mean_reliability

from .made_up import add_drops, made_up_rows, write_rows

GRID = np.linspace(0.05, 0.95, 19)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, mortality: PipelineConfig) -> tuple[SplitPrediction, ...]:
    """Two trainings: the same stays, other scores."""
    folder: Path = tmp_path_factory.mktemp("p")
    rows = add_drops(made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=200))
    first = read_predictions(write_rows(rows, folder), Split.TEST, label_names=mortality.labels)
    noise = np.random.default_rng(4).normal(size=(200, 1))
    models = {
        name: replace(m, logit=m.logit + noise, probability=1 / (1 + np.exp(-m.logit - noise)))
        for name, m in first.models.items()
    }
    return first, replace(first, models=models)


def test_curve_with_equal_weights_is_scikit_learns() -> None:
    score, label = np.array([0.9, 0.8, 0.8, 0.4, 0.3, 0.1]), np.array([1, 0, 1, 1, 0, 0])
    found = cumulate(score, label, np.ones((6, 1)))
    x, y, _ = roc_curve(label, score, drop_intermediate=False)
    np.testing.assert_allclose(roc_on(GRID)(found)[:, 0], np.interp(GRID, x, y))
    # by hand: 1/1 up to recall 1/3, 2/3 (two tied at 0.8) up to 2/3, 3/4 to the end
    np.testing.assert_allclose(precision_on(np.array([0.3, 0.5, 1.0]))(found)[:, 0], [1, 2 / 3, 3 / 4])
    threshold = np.array([0.05, 0.35, 0.8, 0.95])
    np.testing.assert_allclose(net_benefit_on(threshold)(found)[:, 0], net_benefit(score, label, threshold=threshold))


def test_doubled_weight_is_a_doubled_stay() -> None:
    score, label = np.array([0.9, 0.6, 0.2]), np.array([1, 0, 1])
    weighted = net_benefit_on(GRID)(cumulate(score, label, np.array([[1.0], [2.0], [1.0]])))
    twice = net_benefit(np.array([0.9, 0.6, 0.6, 0.2]), np.array([1, 0, 0, 1]), threshold=GRID)
    np.testing.assert_allclose(weighted[:, 0], twice)


def test_band_over_two_trainings_holds_their_mean_and_is_wide_where_they_differ(runs, mortality) -> None:
    config = mortality.evaluate
    each = [np.interp(GRID, *roc_curve(r.label[:, 0], r.models["medpatch"].logit[:, 0])[:2]) for r in runs]
    around = band(runs, "medpatch", curve=roc_on(GRID), columns=[0], config=config)
    mean = np.mean(each, axis=0)
    assert ((around.low <= mean + 0.02) & (mean <= around.high + 0.02)).all()
    alone = band(runs[:1], "medpatch", curve=roc_on(GRID), columns=[0], config=config)
    gap = np.abs(each[0] - each[1]).argmax()
    assert around.high[gap] - around.low[gap] > alone.high[gap] - alone.low[gap]


def test_pictures_say_that_they_are_means_over_seeds(runs, mortality) -> None:
    for draw in (roc_picture, pr_picture):
        said = draw(runs, [], config=mortality.evaluate, main="medpatch").caption
        assert "mean over 2 training seeds" in said
        assert "seeds" not in draw(runs[:1], [], config=mortality.evaluate, main="medpatch").caption


def test_reliability_and_drop_curve_are_means_of_the_trainings(runs, mortality) -> None:
    config = mortality.evaluate
    mean, each = mean_reliability(runs, "medpatch", config=config)
    np.testing.assert_allclose(mean.observed, (each[0].observed + each[1].observed) / 2)
    assert (mean.low <= mean.observed).all()
    assert (mean.observed <= mean.high).all()
    presence = {Modality.EHR: np.ones(200, bool)}
    one, two, both = (drop_curves(part, presence, config=config)[0] for part in (runs[:1], runs[1:], runs))
    assert both.auroc[2].value == pytest.approx((one.auroc[2].value + two.auroc[2].value) / 2)


def test_reliability_has_no_point_of_few_stays(runs, mortality) -> None:
    for smallest, points in ((10, 10), (40, 5), (201, 0)):  # 200 stays: ten points of 20, five of 40, or none
        config = mortality.evaluate.model_copy(update={"min_count": smallest})
        mean, each = mean_reliability(runs, "medpatch", config=config)
        assert len(mean.observed) == points
        assert all((curve.count >= smallest).all() for curve in (mean, *each))
