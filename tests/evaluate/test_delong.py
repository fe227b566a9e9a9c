"""DeLong's variance equals a published example; the test of two curves equals one worked out by hand."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from medpatch.evaluate.bootstrap import draw_subjects, percentile_interval, replicate
from medpatch.evaluate.delong import components, delong_p

NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
"""Ratings 1 to 5 of 109 computed tomography images. Source: Hanley and McNeil 1982, Radiology 143:29-36, table 1."""


def rated() -> tuple[np.ndarray, np.ndarray]:
    score = np.concatenate([np.repeat(np.arange(5.0), NORMAL), np.repeat(np.arange(5.0), ABNORMAL)])
    return score, np.repeat([0, 1], [sum(NORMAL), sum(ABNORMAL)])


def test_area_and_standard_error_are_the_published_ones() -> None:
    # Source: Stata manual, roctab, the same ratings: area 0.8932, standard error 0.0307
    found = components(*rated())
    assert found.auroc == pytest.approx(0.8932, abs=5e-5)
    variance = sum(side.var(ddof=1) / len(side) for side in (found.positive, found.negative))
    assert np.sqrt(variance) == pytest.approx(0.0307, abs=5e-5)


def test_bootstrap_interval_of_the_published_example_is_the_published_one() -> None:
    # Source: as above, 95 % interval 0.83295 to 0.95339
    score, label = rated()
    found = replicate(score[:, None], label[:, None], draws=draw_subjects(np.arange(109), resamples=4000, seed=0))
    interval = percentile_interval(found.auroc[:, 0], level=0.95)
    assert interval.low == pytest.approx(0.83295, abs=0.012)
    assert interval.high == pytest.approx(0.95339, abs=0.012)


def test_area_equals_scikit_learn_with_ties() -> None:
    random = np.random.default_rng(2)
    label = np.repeat([0, 1], [70, 30])
    score = np.round(random.normal(size=100) + label, 1)
    assert components(score, label).auroc == pytest.approx(roc_auc_score(label, score))


def test_two_curves_by_hand() -> None:
    # shares of the two negatives that each positive outranks, A: 1, 1/2, 1 and B: 1/2, 0, 1; differences below
    label = np.array([1, 1, 1, 0, 0])
    a, b = np.array([4.0, 2, 5, 1, 3]), np.array([2.0, 0, 5, 1, 3])
    positive = np.array([0.5, 0.5, 0.0])
    # negatives: shares of positives above them, A: 1, 2/3 and B: 2/3, 1/3, so differences 1/3, 1/3: no spread
    spread = np.sqrt(positive.var(ddof=1) / 3)
    expected = 2 * norm.sf((1 / 3) / spread)
    assert delong_p([components(a, label)], [components(b, label)]) == pytest.approx(expected)


def test_equal_curves_have_no_p_value() -> None:
    one = components(*rated())
    assert np.isnan(delong_p([one], [one]))


def test_one_class_has_no_components() -> None:
    assert components(np.arange(3.0), np.zeros(3)) is None


def test_components_of_several_runs_are_averaged() -> None:
    random = np.random.default_rng(1)
    label = np.repeat([0, 1], 40)
    a, b, c = (random.normal(size=80) + label * shift for shift in (1.0, 1.0, 0.3))
    twice = delong_p([components(a, label)] * 2, [components(c, label)] * 2)
    assert twice == pytest.approx(delong_p([components(a, label)], [components(c, label)]))
    assert delong_p([components(a, label), components(b, label)], [components(c, label)] * 2) != pytest.approx(twice)
