"""Token numbers are those of a hand-made handful; a report is read back as written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medpatch.config.error import CheckpointError
from medpatch.contract.confidence import (
    BINS,
    CONFIDENCE_REPORT,
    ConfidenceReport,
    LabelConfidence,
    measure_confidence,
    read_confidence,
    write_confidence,
)


def measured(*, temperature: float = 1.0) -> LabelConfidence:
    """Four tokens said 0.9, 0.9, 0.2, 0.4 of being positive; the first and last are."""
    probability = np.array([0.9, 0.9, 0.2, 0.4])
    logit = np.log(probability / (1 - probability))[:, None]
    (found,) = measure_confidence(
        logit,
        np.array([[1], [0], [0], [1]]),
        scaled=logit / temperature,
        is_high=np.array([[True], [True], [False], [False]]),
        temperature=np.array([temperature]),
        prior_logit=np.log([0.3 / 0.7]),
        label_names=("x",),
    )
    return found


def test_shares_and_accuracies_by_hand() -> None:
    found = measured()
    assert (found.tokens, found.positive_tokens) == (4, 2)
    assert (found.high_share, found.high_share_positive, found.high_share_negative) == (0.5, 0.5, 0.5)
    # high: 0.9 right, 0.9 wrong; low: 0.2 right, 0.4 wrong
    assert (found.accuracy_high, found.accuracy_low) == (0.5, 0.5)


def test_decision_at_the_prevalence_by_hand() -> None:
    found = measured()
    # against 0.3 the token that says 0.4 of a positive is right; 0.9 of a negative stays wrong
    assert (found.accuracy_high_prior, found.accuracy_low_prior) == (0.5, 1.0)


def test_calibration_by_hand() -> None:
    found = measured()
    # bins of confidence: 0.9 twice (gap 0.4 * 2), 0.8 once (gap 0.2), 0.6 once (gap 0.6); over four tokens
    assert found.ece_before == pytest.approx((0.8 + 0.2 + 0.6) / 4)
    assert found.nll_before == pytest.approx(-np.log([0.9, 0.1, 0.8, 0.4]).mean())
    assert (found.ece_after, found.nll_after) == (found.ece_before, found.nll_before)


def test_temperature_changes_the_numbers_after_it_and_not_those_before() -> None:
    hot, plain = measured(temperature=3.0), measured()
    assert hot.nll_before == plain.nll_before
    assert hot.nll_after < plain.nll_after
    assert sum(hot.bin_count) == 4


def test_bins_hold_every_token_and_empty_ones_say_nothing() -> None:
    found = measured()
    assert (len(found.bin_count), sum(found.bin_count)) == (BINS, 4)
    assert [c is None for c in found.bin_confidence] == [n == 0 for n in found.bin_count]


def test_class_without_tokens_is_none() -> None:
    (found,) = measure_confidence(
        np.zeros((3, 1)),
        np.zeros((3, 1)),
        scaled=np.zeros((3, 1)),
        is_high=np.zeros((3, 1), bool),
        temperature=np.ones(1),
        prior_logit=np.zeros(1),
        label_names=("x",),
    )
    assert found.high_share_positive is None
    assert found.accuracy_high is None


def test_report_is_read_back_as_written_and_unfinished_folders_are_left_out(tmp_path: Path) -> None:
    report = ConfidenceReport(modality="cxr", stays=3, labels=(measured(),))
    for name in ("confidence-cxr", ".confidence-ehr.7.tmp"):
        (tmp_path / name).mkdir()
        write_confidence(tmp_path / name, report)
    assert read_confidence(tmp_path) == (report,)


def test_unreadable_report_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / CONFIDENCE_REPORT).write_text('{"modality": "ehr"}')
    with pytest.raises(CheckpointError, match="train the confidence stage again"):
        read_confidence(tmp_path)


def test_report_holds_no_token_and_no_stay(tmp_path: Path) -> None:
    many = replace(measured(), tokens=10**6)
    text = write_confidence(tmp_path, ConfidenceReport(modality="ehr", stays=5, labels=(many,))).read_text()
    assert "stay_id" not in text
    assert len(text) < 3000


def test_bins_before_are_those_of_temperature_one() -> None:
    cold, hot = measured(), measured(temperature=3.0)
    for name in ("bin_count", "bin_confidence", "bin_accuracy"):
        assert getattr(hot, f"{name}_before") == getattr(cold, name)
    assert hot.bin_count != hot.bin_count_before
