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


def estimate(
    value: float, resampled: Floats, *, level: float, is_centred: bool = False, is_zero_reached: bool = True
) -> Estimate:
    """The value with the percentile interval of its (R,) resamples; the last two as in `estimates`."""
    return estimates([value], resampled[None], level=level, is_centred=is_centred, is_zero_reached=is_zero_reached)[0]


def estimates(
    value: Sequence[float],
    resampled: Floats,
    *,
    level: float,
    is_centred: bool = False,
    is_zero_reached: bool = True,
) -> tuple[Estimate, ...]:
    """Each of C values with the percentile interval of its row of (C, R).

    Args:
        value: C of them.
        resampled: (C, R), NaN where a resample has none.
        level: of the intervals.
        is_centred: move the resamples of a share in [0, 1] so that their mean is the value.
        is_zero_reached: False where no data give 0, as for average precision, which is above 0 in the worst order:
            what is moved stops at the smallest resample instead.
    """
    if is_centred:
        known = np.isfinite(resampled).any(axis=1)
        middle = np.asarray(value)[known, None]
        mean, least = (of(resampled[known], axis=1, keepdims=True) for of in (np.nanmean, np.nanmin))
        lowest = np.zeros_like(least) if is_zero_reached else np.fmin(least, middle)
        moved = np.clip(resampled[known] - mean + middle, lowest, 1)
        resampled = resampled.copy()
        resampled[known] = moved
    intervals = percentile_intervals(resampled, level=level)
    return tuple(Estimate(v, i.low, i.high, i.defined) for v, i in zip(value, intervals, strict=True))
