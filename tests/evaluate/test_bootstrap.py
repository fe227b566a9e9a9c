"""Patients are resampled whole; every resample's value is scikit-learn's with sample weights."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from medpatch.evaluate import bootstrap
from medpatch.evaluate.bootstrap import (
    draw_subjects,
    macro_replicates,
    percentile_interval,
    percentile_intervals,
    replicate,
)


def cohort(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    subject_id = 10_000_000 + random.integers(0, 60, 100)
    label = (random.random((100, 3)) < 0.3).astype(int)
    return subject_id, np.round(random.normal(size=label.shape) + label, 1), label


def test_every_resample_equals_scikit_learn_with_the_counts_as_weights() -> None:
    subject_id, score, label = cohort()
    draws = draw_subjects(subject_id, resamples=8, seed=3)
    found = replicate(score, label, draws=draws)
    for r in range(8):
        weight = draws.count[draws.subject, r]
        for k in range(3):
            expected = roc_auc_score(label[:, k], score[:, k], sample_weight=weight)
            assert found.auroc[r, k] == pytest.approx(expected, abs=1e-6)
            expected = average_precision_score(label[:, k], score[:, k], sample_weight=weight)
            assert found.auprc[r, k] == pytest.approx(expected, abs=1e-6)


def test_blocks_of_resamples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    subject_id, score, label = cohort()
    draws = draw_subjects(subject_id, resamples=20, seed=3)
    whole = replicate(score, label, draws=draws)
    monkeypatch.setattr(bootstrap, "BLOCK_CELLS", 50)
    np.testing.assert_array_equal(replicate(score, label, draws=draws).auroc, whole.auroc)


def test_a_resample_draws_as_many_subjects_as_there_are() -> None:
    subject_id, _, _ = cohort()
    draws = draw_subjects(subject_id, resamples=5, seed=0)
    assert (draws.count.sum(axis=0) == len(np.unique(subject_id))).all()


def test_stays_of_one_subject_are_drawn_together() -> None:
    draws = draw_subjects(np.array([7, 9, 7, 8]), resamples=4, seed=0)
    weight = draws.count[draws.subject]
    np.testing.assert_array_equal(weight[0], weight[2])


def test_copies_of_a_patients_stay_do_not_narrow_the_interval() -> None:
    subject_id, score, label = np.arange(80), *cohort()[1:]
    once = replicate(score[:80], label[:80], draws=draw_subjects(subject_id, resamples=200, seed=0))
    five_times = replicate(
        np.repeat(score[:80], 5, axis=0),
        np.repeat(label[:80], 5, axis=0),
        draws=draw_subjects(np.repeat(subject_id, 5), resamples=200, seed=0),
    )
    np.testing.assert_allclose(five_times.auroc, once.auroc, atol=1e-6)


def test_same_seed_gives_the_same_draws_and_another_seed_does_not() -> None:
    subject_id, _, _ = cohort()
    one, same, other = (draw_subjects(subject_id, resamples=3, seed=s).count for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_resample_with_one_class_is_nan_and_left_out_of_the_interval() -> None:
    # one positive among ten: about a third of the resamples miss it
    label, score = np.zeros((10, 1), int), np.arange(10.0)[:, None]
    label[9] = 1
    found = replicate(score, label, draws=draw_subjects(np.arange(10), resamples=100, seed=0))
    interval = percentile_interval(found.auroc[:, 0], level=0.95)
    assert 50 < interval.defined < 80
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_label_without_positives_has_no_replicates() -> None:
    found = replicate(np.zeros((5, 1)), np.zeros((5, 1), int), draws=draw_subjects(np.arange(5), resamples=4, seed=0))
    assert np.isnan(found.auroc).all()
    assert percentile_interval(found.auroc[:, 0], level=0.95).defined == 0


def test_macro_is_bootstrapped_as_a_macro_and_is_narrower_than_the_mean_of_label_intervals() -> None:
    subject_id, score, label = cohort()
    found = replicate(score, label, draws=draw_subjects(subject_id, resamples=300, seed=0)).auroc
    each = [percentile_interval(found[:, k], level=0.95) for k in range(3)]
    own = percentile_interval(macro_replicates(found), level=0.95)
    assert own.high - own.low < 0.85 * np.mean([i.high - i.low for i in each])


def test_macro_of_a_resample_skips_labels_without_a_value() -> None:
    np.testing.assert_allclose(
        macro_replicates(np.array([[0.6, np.nan], [0.6, 0.8], [np.nan, np.nan]])), [0.6, 0.7, np.nan]
    )


def test_percentile_interval_holds_the_middle_share() -> None:
    interval = percentile_interval(np.arange(101.0), level=0.9)
    assert (interval.low, interval.high, interval.defined) == (pytest.approx(5.0), pytest.approx(95.0), 101)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # equal-variance normals one unit apart: true AUROC = Phi(1 / sqrt 2) = 0.7602
    random, covered = np.random.default_rng(5), 0
    for trial in range(60):
        label = np.repeat([0, 1], 60)[:, None]
        score = random.normal(size=(120, 1)) + label
        found = replicate(score, label, draws=draw_subjects(np.arange(120), resamples=200, seed=trial))
        interval = percentile_interval(found.auroc[:, 0], level=0.95)
        covered += interval.low <= 0.7602 <= interval.high
    assert covered >= 52


def test_progress_counts_labels() -> None:
    subject_id, score, label = cohort()
    seen: list[tuple[int, int]] = []
    replicate(
        score, label, draws=draw_subjects(subject_id, resamples=2, seed=0), progress=lambda *step: seen.append(step)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_draws_are_those_of_one_resample_after_the_other() -> None:
    subject_id, _, _ = cohort()
    found = draw_subjects(subject_id, resamples=bootstrap.DRAWN_AT_ONCE + 3, seed=5)
    random, subjects = np.random.default_rng(5), len(found.count)
    for r in range(found.count.shape[1]):
        expected = np.bincount(random.integers(0, subjects, subjects), minlength=subjects)
        np.testing.assert_array_equal(found.count[:, r], expected)


def test_intervals_of_many_rows_are_those_of_each_row() -> None:
    value = np.random.default_rng(0).normal(size=(4, 101))
    value[1, 7], value[3] = np.nan, np.nan
    together = percentile_intervals(value, level=0.9)
    for one, row in zip(together, value, strict=True):
        np.testing.assert_equal(vars(one), vars(percentile_interval(row, level=0.9)))
