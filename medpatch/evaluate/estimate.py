"""A number with its interval over resampled patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from medpatch.evaluate.bootstrap import percentile_intervals

Floats = NDArray[np.floating]


DIGITS, FEW_DIGITS = 3, 2
"""After the point, of most numbers; and of those of so few stays that one more would tell how many they are."""


@dataclass(frozen=True)
class Estimate:
    """A number with its percentile interval over patients.

    Attributes:
        value: on the split itself; NaN if it does not exist.
        low: lower end.
        high: upper end.
        resamples: resamples in which it exists.
    """

    digits: ClassVar[int] = DIGITS
    value: float
    low: float
    high: float
    resamples: int


@dataclass(frozen=True)
class CoarseEstimate(Estimate):
    """An estimate that has, and is printed with, `FEW_DIGITS`."""

    digits: ClassVar[int] = FEW_DIGITS


def estimate(value: float, resampled: Floats, *, level: float, is_centred: bool = False) -> Estimate:
    """The value with the percentile interval of its (R,) resamples; `is_centred` moves a share in [0, 1] onto it."""
    return estimates([value], resampled[None], level=level, is_centred=is_centred)[0]


def estimates(
    value: Sequence[float], resampled: Floats, *, level: float, is_centred: bool = False
) -> tuple[Estimate, ...]:
    """Each of C values with the percentile interval of its row of (C, R); `is_centred` as in `estimate`."""
    if is_centred:
        known = np.isfinite(resampled).any(axis=1)
        mean = np.nanmean(resampled[known], axis=1, keepdims=True)
        moved = np.clip(resampled[known] - mean + np.asarray(value)[known, None], 0, 1)
        resampled = resampled.copy()
        resampled[known] = moved
    intervals = percentile_intervals(resampled, level=level)
    return tuple(Estimate(v, i.low, i.high, i.defined) for v, i in zip(value, intervals, strict=True))
