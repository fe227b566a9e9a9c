"""Intervals that are moved onto the value stay where the number can be."""

import numpy as np
import pytest

from medpatch.evaluate.estimate import estimate

RESAMPLED = np.array([0.1, 0.2, 0.3, 0.4, 0.9])
"""Mean 0.38: moved onto 0.2 they are -0.08, 0.02, 0.12, 0.22, 0.72."""


@pytest.mark.parametrize(("is_zero_reached", "low"), [(True, 0.0), (False, 0.1)])
def test_moved_interval_ends_at_zero_or_at_the_smallest_resample(is_zero_reached: bool, low: float) -> None:
    found = estimate(0.2, RESAMPLED, level=1.0, is_centred=True, is_zero_reached=is_zero_reached)
    assert (found.low, found.high) == pytest.approx((low, 0.72))


def test_value_below_every_resample_is_inside_its_interval() -> None:
    found = estimate(0.05, RESAMPLED, level=1.0, is_centred=True, is_zero_reached=False)
    assert found.low == pytest.approx(0.05)


def test_resamples_without_a_value_change_nothing() -> None:
    found = estimate(0.2, np.append(RESAMPLED, np.nan), level=1.0, is_centred=True, is_zero_reached=False)
    assert (found.low, found.high, found.resamples) == (pytest.approx(0.1), pytest.approx(0.72), 5)


def test_interval_that_is_not_moved_is_that_of_the_resamples() -> None:
    found = estimate(0.2, RESAMPLED, level=1.0)
    assert (found.low, found.high) == pytest.approx((0.1, 0.9))
