"""Is the test split large enough to say that one model is better than another?"""

import numpy as np
from numpy.typing import NDArray

FEWEST_EVENTS = 20
"""Stays with the event, and as many without, below which no model is called better than another.

At twenty of each the interval of an AUROC near 0.8 is still some 0.28 wide (Hanley and McNeil 1982,
doi:10.1148/radiology.143.1.7063747, their standard error).
"""
FEW = (
    f"This test split has fewer than {FEWEST_EVENTS} stays with or without the event{{where}}: intervals and p-values "
    "of so few mean little, a score may tell how many there are, and no model is called better than another here."
)


def has_few_events(label: NDArray[np.int8]) -> bool:
    """True if the rarer class of the middle label has fewer than `FEWEST_EVENTS` stays; label (N, K)."""
    positive = label.sum(axis=0)
    return bool(np.median(np.minimum(positive, len(label) - positive)) < FEWEST_EVENTS)


def few_events_in_words(label: NDArray[np.int8]) -> list[str]:
    """A warning, or nothing."""
    where = " for half of the labels" if label.shape[1] > 1 else ""
    return [FEW.format(where=where)] if has_few_events(label) else []
