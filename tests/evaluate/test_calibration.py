"""ECE equals the published numbers; slope, intercept and reliability equal what theory says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression

from medpatch.evaluate.calibration import bin_edges, expected_calibration_error, recalibrate, reliability


@pytest.mark.parametrize(
    ("probability", "label", "expected", "bins"),
    [("p1", "y1", "ece1", 10), ("p1", "y1", "ece1_15bins", 15), ("p25", "y25", "ece25", 10)],
)
def test_ece_matches_the_reference(shared_dir: Path, probability: str, label: str, expected: str, bins: int) -> None:
    golden = load_file(shared_dir / "golden" / "ece.safetensors")
    found = expected_calibration_error(golden[probability], golden[label], bins=bins)
    np.testing.assert_allclose(found, golden[expected], atol=1e-6)


def test_ece_by_hand() -> None:
    # confidence 0.9 right, 0.9 wrong (one bin: gap 0.4, share 2/4); 0.6 right twice (gap 0.4, share 2/4)
    probability, label = np.array([[0.9], [0.1], [0.6], [0.4]]), np.array([[1], [1], [1], [0]])
    assert expected_calibration_error(probability, label)[0] == pytest.approx(0.4)


def test_confidence_on_a_bin_edge_belongs_to_the_lower_bin() -> None:
    # 0.75 is the upper end of (0.5, 0.75]: it shares a bin with 0.6, not with 0.9
    probability, label = np.array([[0.75], [0.6], [0.9]]), np.array([[1], [0], [1]])
    expected = abs(0.75 + 0.6 - 1) / 3 + abs(0.9 - 1) / 3
    assert expected_calibration_error(probability, label, bins=4)[0] == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges_of_bins_are_those_of_torch(dtype: type) -> None:
    for bins in range(1, 101):
        wanted = torch.linspace(0, 1, bins + 1, dtype=getattr(torch, dtype.__name__)).numpy()
        np.testing.assert_array_equal(bin_edges(bins, np.dtype(dtype)), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_ece_of_tensors_is_a_tensor_and_bins_may_come_third(dtype: torch.dtype) -> None:
    # confidences 0.75 and 0.875 in the upper half: right once, wrong once
    probability = torch.tensor([[0.75], [0.125]], dtype=dtype, requires_grad=True)
    label = torch.tensor([[1], [1]])
    found = expected_calibration_error(probability, label, 2)
    wanted = torch.float64 if dtype is torch.float64 else torch.float32
    torch.testing.assert_close(found, torch.tensor([0.3125], dtype=wanted))
    assert expected_calibration_error([[0.75], [0.125]], [[1], [1]], 2)[0] == pytest.approx(0.3125)


def test_ece_of_nothing_or_of_nan_is_nan() -> None:
    assert np.isnan(expected_calibration_error(np.empty((0, 2)), np.empty((0, 2)))).all()
    found = expected_calibration_error(np.array([[np.nan, 0.5], [1.0, 0.5]]), np.ones((2, 2)))
    assert found == pytest.approx([np.nan, 0.5], nan_ok=True)


@pytest.mark.parametrize("shape", [(3, 1), (3,), (2, 2)])
def test_ece_of_disagreeing_shapes_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be of one shape"):
        expected_calibration_error(np.full((3, 2), 0.5), np.ones(shape))


def logistic(*, slope: float, shift: float, stays: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    logit = random.normal(size=(stays, 1)) * 2
    label = random.random((stays, 1)) < 1 / (1 + np.exp(-(slope * logit + shift)))
    return logit, label.astype(int)


def test_slope_is_that_of_an_unpenalised_logistic_regression() -> None:
    logit, label = logistic(slope=0.6, shift=-0.4)
    fitted = LogisticRegression(C=1e10, tol=1e-10).fit(logit, label[:, 0])
    assert recalibrate(logit, label).slope[0] == pytest.approx(fitted.coef_[0, 0], abs=1e-4)


def test_overconfident_model_has_a_slope_below_one() -> None:
    assert recalibrate(*logistic(slope=0.5, shift=0.0)).slope[0] == pytest.approx(0.5, abs=0.05)


def test_intercept_makes_the_mean_probability_right() -> None:
    logit, label = logistic(slope=1.0, shift=0.7)
    intercept = recalibrate(logit, label).intercept[0]
    assert intercept == pytest.approx(0.7, abs=0.1)
    assert np.mean(1 / (1 + np.exp(-(logit + intercept)))) == pytest.approx(label.mean(), abs=1e-9)


@pytest.mark.parametrize("label", [[[0], [0], [0], [0]], [[0], [0], [1], [1]]], ids=["one class", "separated"])
def test_slope_that_does_not_exist_is_nan(label: list[list[int]]) -> None:
    assert np.isnan(recalibrate(np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array(label)).slope[0])


def test_constant_logit_has_an_intercept_and_no_slope() -> None:
    found = recalibrate(np.zeros((4, 1)), np.array([[0], [0], [0], [1]]))
    assert found.intercept[0] == pytest.approx(np.log(1 / 3), abs=1e-8)
    assert np.isnan(found.slope[0])


def test_reliability_points_hold_equal_shares_and_their_means() -> None:
    curve = reliability(np.linspace(0.01, 1.0, 100), np.repeat([0, 1], 50), points=10)
    assert curve.count.tolist() == [10] * 10
    assert curve.predicted[0] == pytest.approx(np.linspace(0.01, 0.10, 10).mean())
    assert curve.observed.tolist() == [0.0] * 5 + [1.0] * 5


def test_equal_probabilities_share_a_reliability_point() -> None:
    curve = reliability(np.array([0.1] * 50 + [0.9] * 50), np.repeat([0, 1], 50), points=10)
    assert curve.count.tolist() == [50, 50]


def test_reliability_interval_is_wilsons() -> None:
    # 8 of 10: 0.4902 to 0.9433 (Newcombe 1998, method 3)
    curve = reliability(np.full(10, 0.5), np.array([1] * 8 + [0] * 2), points=5)
    assert (curve.low[0], curve.high[0]) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
