"""Expected AUROC against the mean over drawn labels, and by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medpatch.evaluate.expected import expected_auroc


def test_expected_auroc_is_near_the_mean_over_drawn_labels():
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.05, 0.6, (80, 2))
    score = np.round(probability + rng.normal(0, 0.2, probability.shape), 1)  # with ties
    drawn = [
        np.mean([roc_auc_score(rng.random(80) < probability[:, k], score[:, k]) for k in range(2)]) for _ in range(2000)
    ]
    assert expected_auroc(score, probability) == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / 2000**0.5)


def test_certain_labels_give_the_usual_auroc():
    label = np.array([[0.0], [1.0], [0.0], [1.0]])
    score = np.array([[0.1], [0.1], [0.0], [0.9]])
    assert expected_auroc(score, label) == pytest.approx(roc_auc_score(label[:, 0], score[:, 0]))


def test_a_constant_score_has_one_half_whatever_the_order_of_the_stays():
    probability = np.linspace(0.01, 0.9, 50)[:, None]
    assert expected_auroc(np.zeros((50, 1)), probability) == pytest.approx(0.5)
    assert expected_auroc(np.zeros((50, 1)), probability[::-1]) == pytest.approx(0.5)
