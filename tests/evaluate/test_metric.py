"""Our ranking metrics are scikit-learn's, for many labels, ties and weights; one class is named, not fatal."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from medpatch.evaluate.metric import (
    SingleClassWarning,
    auroc,
    brier,
    macro,
    rank_metrics,
    single_class_labels,
)


def scores(*, stays: int = 200, labels: int = 4, decimals: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = (random.random((stays, labels)) < 0.3).astype(int)
    return np.round(random.normal(size=label.shape) + label, decimals), label


@pytest.mark.parametrize("decimals", [8, 1, 0], ids=["no ties", "some ties", "mostly ties"])
def test_both_metrics_equal_scikit_learn_for_every_label(decimals: int) -> None:
    score, label = scores(decimals=decimals)
    for k in range(4):
        assert auroc(score, label)[k] == pytest.approx(roc_auc_score(label[:, k], score[:, k]), abs=1e-12)
        expected = average_precision_score(label[:, k], score[:, k])
        assert rank_metrics(score, label).auprc[k] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("decimals", [8, 0], ids=["no ties", "mostly ties"])
def test_weighted_metrics_equal_scikit_learn_with_sample_weight(decimals: int) -> None:
    score, label = scores(decimals=decimals)
    weight = np.random.default_rng(1).integers(0, 4, len(score)).astype(float)
    for k in range(4):
        expected = roc_auc_score(label[:, k], score[:, k], sample_weight=weight)
        assert auroc(score, label, weight=weight)[k] == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(label[:, k], score[:, k], sample_weight=weight)
        assert rank_metrics(score, label, weight=weight).auprc[k] == pytest.approx(expected, abs=1e-12)


def test_auroc_of_four_stays_by_hand() -> None:
    # pairs (positive, negative): (3, 2) won, (3, 1) won, (1, 2) lost, (1, 1) tied -> 2.5 of 4
    assert auroc(np.array([[3.0], [1.0], [2.0], [1.0]]), np.array([[1], [1], [0], [0]]))[0] == 0.625


def test_label_with_one_class_is_nan_and_leaves_the_others_alone() -> None:
    score, label = scores(labels=3)
    label[:, 0], label[:, 1] = 0, 1
    found = rank_metrics(score, label)
    for value in (found.auroc, found.auprc):
        assert np.isnan(value[:2]).all()
        assert np.isfinite(value[2])


def test_label_with_one_class_is_warned_about_by_name_and_split() -> None:
    label = np.array([[0, 1, 0], [0, 0, 1]])
    with pytest.warns(SingleClassWarning, match="label 'shock': all 2 stays of the test split are negative"):
        assert single_class_labels(label, ("shock", "sepsis", "stroke"), split="test") == ("shock",)


def test_macro_says_how_many_labels_it_is_the_mean_of() -> None:
    found = macro(np.array([0.5, np.nan, 0.9]))
    assert (found.value, found.defined, found.total) == (pytest.approx(0.7), 2, 3)


def test_macro_over_nothing_is_nan() -> None:
    assert np.isnan(macro(np.array([np.nan])).value)


def test_brier_by_hand() -> None:
    assert brier(np.array([[0.8], [0.4]]), np.array([[1], [0]]))[0] == pytest.approx((0.04 + 0.16) / 2)


def test_nan_score_is_refused() -> None:
    with pytest.raises(ValueError, match="1 NaN"):
        auroc(np.array([[np.nan], [0.0]]), np.array([[1], [0]]))


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 1\) and label \(2, 1\)"):
        auroc(np.zeros((3, 1)), np.zeros((2, 1)))
