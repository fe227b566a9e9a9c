"""Fewer digits for the scores of so few stays that their number is hidden.

An AUROC is a multiple of 1 / (positives x negatives): of 4 and 11, three digits tell 44.
"""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from medpatch.evaluate.census import ALL, JUDGED, POSITIVES, STAYS
from medpatch.evaluate.estimate import FEW_DIGITS, CoarseEstimate, Estimate
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.suppress import Disclosure


def is_hidden(shown: Disclosure, subset: str = ALL) -> bool:
    """True if the stays of the subset, or their positives, are not told."""
    keys = (STAYS, JUDGED, subset), (POSITIVES, JUDGED, subset)
    return not all(key in shown.value and shown.of(key) is not None for key in keys)


def coarse(value: Any, *, shown: Disclosure, subset: str = ALL) -> Any:
    """The same records; estimates of stays that are hidden have `FEW_DIGITS`, and so have the AUROCs beside them.

    Args:
        value: record, tuple of records, or anything else, which is left as it is.
        shown: which counts may be shown.
        subset: stays that estimates are of; a `ModelResult` says its own.
    """
    if isinstance(value, Estimate):
        return coarse_estimate(value) if is_hidden(shown, subset) else value
    if isinstance(value, tuple):
        return tuple(coarse(one, shown=shown, subset=subset) for one in value)
    if not is_dataclass(value):
        return value
    if isinstance(value, ModelResult):
        subset = value.subset
        if is_hidden(shown, subset):
            value = replace(
                value,
                by_run=tuple(round(one, FEW_DIGITS) for one in value.by_run),
                oracle_auroc=_short(value.oracle_auroc),
                gap_closed=_short(value.gap_closed),
            )
    parts = {one.name: coarse(getattr(value, one.name), shown=shown, subset=subset) for one in fields(value)}
    return replace(value, **parts)


def coarse_estimate(value: Estimate) -> CoarseEstimate:
    """The estimate with `FEW_DIGITS`."""
    ends = (round(end, FEW_DIGITS) for end in (value.value, value.low, value.high))
    return CoarseEstimate(*ends, value.resamples)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, FEW_DIGITS)
