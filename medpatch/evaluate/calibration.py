"""Whether a stated probability comes true: ECE, logistic recalibration, reliability curve."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from statsmodels.stats.proportion import proportion_confint

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating]

NEWTON_STEPS = 50
LOGIT_LIMIT = 30.0
SLOPE_LIMIT = 1e3
"""A steeper slope means that the scores separate the classes and no finite slope fits."""


@dataclass(frozen=True)
class Recalibration:
    """What a logistic regression of the label on the logit finds; (0, 1) is perfect.

    Attributes:
        intercept: (K,) calibration in the large: shift of all logits, slope held at 1, that makes the mean
            probability right. Positive: the model says too little. NaN with one class.
        slope: (K,) slope when intercept and slope are fitted together. Below 1: the model is too sure.
            NaN with one class, a constant logit or separated classes.
        slope_intercept: (K,) the intercept that belongs to `slope`.
        limit: logits were cut to [-limit, limit] before.
    """

    intercept: Floats
    slope: Floats
    slope_intercept: Floats
    limit: float = LOGIT_LIMIT


@dataclass(frozen=True)
class Reliability:
    """Points of a reliability curve, each from about equally many stays.

    Attributes:
        predicted: (P,) mean probability of a point's stays.
        observed: (P,) share of them that are positive.
        low: (P,) lower end of the 95 % Wilson interval of `observed`.
        high: (P,) upper end.
        count: (P,) stays.
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    count: NDArray[np.integer]


def expected_calibration_error(probability: "Floats | Tensor", label: "NDArray | Tensor", bins: int = 10) -> Any:
    """(K,) mean gap between how sure the 0.5 decision is and how often it is right.

    Equal bins (lo, hi] over [0, 1] of max(p, 1 - p) against accuracy, weighted by the share of stays. A tensor for
    tensors, else an array; nan without a stay, or with one whose probability is nan.

    Args:
        probability: (N, K).
        label: (N, K) 0 or 1.
        bins: equal-width bins over [0, 1].

    Raises:
        ValueError: the two are not of one shape (N, K), or there is no bin.

    Source: Guo et al. 2017, as the MedPatch code uses it. It sees only how sure the decision is: for the
    probability of the label itself look at the recalibration and the reliability curve.
    """
    said, wanted = _array(probability), _array(label)
    if said.ndim != 2 or said.shape != wanted.shape or bins < 1:
        raise ValueError(
            f"expected_calibration_error: probability {said.shape} and label {wanted.shape} must be of one shape "
            f"(N, K), and bins at least 1, found {bins}"
        )
    gap, place = confidence_bins(said, wanted, bins=bins)
    error = np.zeros(said.shape[1])
    for number in range(1, bins + 1):
        error += np.abs(np.where(place == number, gap, 0.0).sum(axis=0)) / max(len(said), 1)
    error[np.isnan(said).any(axis=0) | (len(said) == 0)] = np.nan
    return _in_full(probability).new_tensor(error) if hasattr(probability, "new_tensor") else error


def confidence_bins(probability: Floats, label: NDArray, *, bins: int) -> tuple[Floats, NDArray[np.integer]]:
    """Confidence minus correctness of the 0.5 decision, and its bin from 1, each (N, K)."""
    confidence = np.maximum(probability, 1 - probability)
    is_right = (probability >= 0.5) == (np.asarray(label) > 0)
    edges = bin_edges(bins, probability.dtype)
    place = np.searchsorted(edges, confidence, side="left")  # (lo, hi]
    return confidence.astype(np.float64) - is_right, place


def bin_edges(bins: int, dtype: np.dtype) -> Floats:
    """(bins + 1,) from 0 to 1, counted from the nearer end with one rounding, as `torch.linspace` does.

    Another rounding of an edge would move a probability that stands exactly on it to the next bin.
    """
    wide = np.longdouble if dtype == np.float64 else np.float64
    step, number = wide(dtype.type(1) / dtype.type(bins)), np.arange(bins + 1)
    return np.where(number < (bins + 1) // 2, step * number, 1 - step * (bins - number)).astype(dtype)


def recalibrate(logit: Floats, label: NDArray) -> Recalibration:
    """Calibration intercept and slope of every label.

    Args:
        logit: (N, K).
        label: (N, K) 0 or 1.

    Source: Van Calster et al. 2019 (doi:10.1186/s12916-019-1466-7), weak calibration.
    """
    labels = logit.shape[1]
    intercept, slope, both = np.full((3, labels), np.nan)
    for k in range(labels):
        x = np.clip(np.asarray(logit[:, k], float), -LOGIT_LIMIT, LOGIT_LIMIT)
        y = np.asarray(label[:, k], float)
        if not 0 < y.sum() < len(y):
            continue
        intercept[k] = _fit(np.ones((len(x), 1)), y, offset=x)[0]
        if np.ptp(x) > 0:
            both[k], slope[k] = _fit(np.column_stack([np.ones(len(x)), x]), y, offset=np.zeros(len(x)))
    return Recalibration(intercept=intercept, slope=slope, slope_intercept=both)


def reliability(probability: Floats, label: NDArray, *, points: int = 10) -> Reliability:
    """Curve of observed share against predicted probability of the label, for stays (N,).

    Stays are cut into `points` groups of equal size by probability; equal probabilities stay together, so
    there may be fewer groups.
    """
    group = point_of(probability, points=points)
    count = np.bincount(group)
    predicted = np.bincount(group, weights=probability) / count
    observed = np.bincount(group, weights=np.asarray(label, float)) / count
    low, high = proportion_confint(np.round(observed * count), count, alpha=0.05, method="wilson")
    return Reliability(predicted=predicted, observed=observed, low=low, high=high, count=count)


def point_of(probability: Floats, *, points: int) -> NDArray[np.integer]:
    """(N,) point of the reliability curve that each stay belongs to, from 0; no point is empty."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, points + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, probability, side="left"), return_inverse=True)[1]


def _in_full(tensor: "Tensor") -> "Tensor":
    """Half precision, which NumPy has one of two kinds of, as single precision."""
    return tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor


def _array(value: "NDArray | Tensor") -> NDArray:
    """A tensor of any device, or a list, as an array; whole numbers may be probabilities too."""
    if hasattr(value, "detach"):  # torch is not imported for this
        value = _in_full(value.detach().cpu()).numpy()
    value = np.asarray(value)
    return value if np.issubdtype(value.dtype, np.floating) else value.astype(float)


def _fit(design: Floats, y: Floats, *, offset: Floats) -> Floats:
    """Coefficients of a logistic regression by damped Newton steps; NaN where they run off to infinity."""
    beta = np.zeros(design.shape[1])
    loss = _loss(design, y, offset=offset, beta=beta)
    for _ in range(NEWTON_STEPS):
        p = expit(offset + design @ beta)
        curvature = (design * (p * (1 - p))[:, None]).T @ design
        try:
            step = np.linalg.solve(curvature, design.T @ (y - p))
        except np.linalg.LinAlgError:
            return np.full(len(beta), np.nan)
        for _ in range(30):
            tried = _loss(design, y, offset=offset, beta=beta + step)
            if tried <= loss + 1e-12:
                break
            step = step / 2
        beta, loss = beta + step, tried
        if np.abs(beta).max() > SLOPE_LIMIT:
            return np.full(len(beta), np.nan)
        if np.abs(step).max() < 1e-10:
            return beta
    separated = loss / len(y) < 1e-6
    return np.full(len(beta), np.nan) if separated else beta


def _loss(design: Floats, y: Floats, *, offset: Floats, beta: Floats) -> float:
    z = offset + design @ beta
    return float(np.sum(np.logaddexp(0, z) - y * z))
