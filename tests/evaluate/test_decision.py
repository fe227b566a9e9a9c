"""Thresholds come from validation, rates from test; net benefit is that of the formula, by hand."""

from pathlib import Path

import numpy as np
import pytest

from medpatch.config.name import Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.decision import MEASURES, Fixed, net_benefit, net_benefit_of_all, operating_points, thresholds
from medpatch.evaluate.prediction import ModelPrediction, SplitPrediction, read_predictions
from medpatch.evaluate.section_decision import operating_table

from .made_up import made_up_rows, write_rows

LOGIT = np.array([5.0, 4, 3, 2, 1, 0, -1, -2, -3, -4])[:, None]
LABEL = np.array([1, 1, 0, 1, 0, 1, 0, 1, 0, 0])[:, None]


def one_model(logit: np.ndarray, label: np.ndarray, split: Split) -> SplitPrediction:
    stays = np.arange(len(logit))
    found = ModelPrediction(logit, 1 / (1 + np.exp(-logit)), np.ones(len(logit), bool))
    return SplitPrediction(split, stays, stays, label, ("x",), {"medpatch": found})


@pytest.mark.parametrize(("target", "expected"), [(0.2, 5.0), (0.6, 2.0), (0.61, 0.0), (1.0, -2.0)])
def test_threshold_of_a_sensitivity_is_the_highest_that_reaches_it(target: float, expected: float) -> None:
    # positives at 5, 4, 2, 0, -2
    assert thresholds(LOGIT, LABEL, fixed=Fixed.SENSITIVITY, target=target)[0] == expected


@pytest.mark.parametrize(("target", "expected"), [(0.1, 5.0), (0.3, 3.0), (0.35, 3.0)])
def test_threshold_of_an_alert_rate_alerts_for_no_more_than_that(target: float, expected: float) -> None:
    assert thresholds(LOGIT, LABEL, fixed=Fixed.ALERT_RATE, target=target)[0] == expected


def test_equal_logits_are_alerted_together_or_not_at_all() -> None:
    logit = np.array([1.0, 1, 1, 0, 0, 0, 0, 0, 0, 0])[:, None]
    assert thresholds(logit, LABEL, fixed=Fixed.ALERT_RATE, target=0.2)[0] == np.inf
    assert thresholds(logit, LABEL, fixed=Fixed.ALERT_RATE, target=0.3)[0] == 1.0


def test_label_without_positives_on_validation_has_no_threshold() -> None:
    assert np.isnan(thresholds(LOGIT, np.zeros_like(LABEL), fixed=Fixed.SENSITIVITY, target=0.8)[0])


def test_rates_are_those_of_the_test_split_at_the_threshold_of_validation(mortality: PipelineConfig) -> None:
    val = one_model(LOGIT, LABEL, Split.VAL)
    test = one_model(LOGIT, np.array([1, 0, 0, 1, 0, 0, 0, 0, 0, 1])[:, None], Split.TEST)
    config = mortality.evaluate.model_copy(update={"sensitivities": (0.6,), "alert_rates": (), "min_count": 1})
    (point,) = operating_points((val,), (test,), models=("medpatch",), config=config)
    # threshold 2 alerts for the first four: 2 of 3 positives, 2 of 7 negatives
    assert point.sensitivity.value == pytest.approx(2 / 3)
    assert point.specificity.value == pytest.approx(5 / 7)
    assert point.ppv.value == pytest.approx(2 / 4)
    assert point.npv.value == pytest.approx(5 / 6)
    assert point.alert_rate.value == pytest.approx(0.4)
    assert point.sensitivity.low <= 2 / 3 <= point.sensitivity.high


@pytest.mark.parametrize(("smallest", "is_shown"), [(3, True), (4, False)])
def test_rates_that_would_tell_how_few_positives_there_are_are_left_out(
    mortality: PipelineConfig, smallest: int, is_shown: bool
) -> None:
    # three positives; four alerts, six other stays, seven negatives
    val = one_model(LOGIT, LABEL, Split.VAL)
    test = one_model(LOGIT, np.array([1, 0, 0, 1, 0, 0, 0, 0, 0, 1])[:, None], Split.TEST)
    change = {"sensitivities": (0.6,), "alert_rates": (), "min_count": smallest}
    (point,) = operating_points(
        (val,), (test,), models=("medpatch",), config=mortality.evaluate.model_copy(update=change)
    )
    shown = {name: bool(np.isfinite(getattr(point, name).value)) for name in MEASURES}
    assert shown == dict.fromkeys(MEASURES, is_shown)
    caption = operating_table((point,), level=0.95, smallest=smallest).caption
    assert (f"Dashes: fewer than {smallest} positives" in caption) is not is_shown


def test_operating_points_of_a_label_without_positives_are_nan_and_not_fatal(mortality: PipelineConfig) -> None:
    val = one_model(LOGIT, np.zeros_like(LABEL), Split.VAL)
    points = operating_points(
        (val,), (one_model(LOGIT, LABEL, Split.TEST),), models=("medpatch",), config=mortality.evaluate
    )
    by_sensitivity = [p for p in points if p.fixed is Fixed.SENSITIVITY]
    assert all(np.isnan(p.sensitivity.value) and p.labels == 0 for p in by_sensitivity)


def test_every_configured_point_is_there_for_every_model(tmp_path: Path, mortality: PipelineConfig) -> None:
    path = write_rows(made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=60), tmp_path)
    val, test = (read_predictions(path, s, label_names=mortality.labels) for s in (Split.VAL, Split.TEST))
    points = operating_points((val,), (test,), models=("medpatch", "late"), config=mortality.evaluate)
    assert [(p.model, p.target) for p in points[:4]] == [
        ("medpatch", 0.8), ("late", 0.8), ("medpatch", 0.9), ("late", 0.9),
    ]  # fmt: skip


def test_net_benefit_by_hand() -> None:
    # at 0.2, three stays are acted on, two rightly: 2/5 - 1/5 * (0.2 / 0.8)
    probability, label = np.array([0.9, 0.5, 0.2, 0.1, 0.1]), np.array([1, 0, 1, 1, 0])
    assert net_benefit(probability, label, threshold=np.array([0.2]))[0] == pytest.approx(0.4 - 0.2 * 0.25)


def test_acting_on_everybody_is_worth_nothing_where_the_threshold_is_the_prevalence() -> None:
    label = np.array([1, 0, 0, 0, 1])
    assert net_benefit_of_all(label, np.array([0.4]))[0] == pytest.approx(0.0)
    everybody = net_benefit(np.ones(5), label, threshold=np.array([0.1, 0.3]))
    np.testing.assert_allclose(everybody, net_benefit_of_all(label, np.array([0.1, 0.3])))
