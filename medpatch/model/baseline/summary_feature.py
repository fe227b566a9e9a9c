"""What one can count on a stay without a network: the columns that boosted trees read. Imports no torch."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_CHANNELS, EHR_VALUE_COLUMNS, StayRecord

Floats = NDArray[np.float32]

NOTE_BUCKETS = 1024
_HASH, _HASH_BITS = np.uint64(2_654_435_761), np.uint64(32)
CELLS_PER_SIDE = 8
GREY_BINS = 16
OF_VALUE = ("min", "max", "mean", "std", "first", "last")
OF_CHANNEL = ("count", "steps_since")


def summary_names(modalities: Sequence[Modality]) -> tuple[str, ...]:
    """Names of the F columns, in order: the presence of each modality, then the columns of each."""
    names = [f"has_{m}" for m in modalities]
    for m in modalities:
        names += [f"{m}_{name}" for name in _NAMES[m]]
    return tuple(names)


def summarise_stays(records: Iterable[StayRecord], modalities: Sequence[Modality]) -> Floats:
    """(n, F) float32, one row per stay; NaN in the columns of a modality that a stay lacks.

    EHR: smallest, largest, mean, spread, first and last value of each of the 59 value columns; for each of the
    17 channels how often it was measured and how many steps ago last; the number of steps. Notes: logarithm of
    one plus the count of ids in each of 1,024 hash buckets, and of all ids. Radiograph: mean grey of 8 x 8
    cells, a histogram, mean and spread.

    Args:
        records: stays.
        modalities: those of the run, in canonical order; others are not read.
    """
    rows = [_row(record, modalities) for record in records]
    return np.stack(rows) if rows else np.empty((0, len(summary_names(modalities))), np.float32)


def summarise_ehr(value: NDArray, observed: NDArray) -> Floats:
    """Columns of one EHR grid: value (T, 59), observed (T, 17) bool; T at least 1."""
    steps = len(value)
    last = steps - 1 - np.argmax(observed[::-1], axis=0)  # (17,)
    since = np.where(observed.any(axis=0), steps - 1 - last, np.nan)
    of_value = [value.min(0), value.max(0), value.mean(0), value.std(0), value[0], value[-1]]
    return np.concatenate([*of_value, observed.sum(0), since, [steps]]).astype(np.float32)


def summarise_cxr(image: NDArray[np.uint8]) -> Floats:
    """Columns of one grey image (H, W), both at least 8."""
    grey = image.astype(np.float32) / 255.0
    rows, columns = (np.linspace(0, size, CELLS_PER_SIDE, endpoint=False).astype(int) for size in grey.shape)
    total = np.add.reduceat(np.add.reduceat(grey, rows, axis=0), columns, axis=1)
    count = np.outer(np.diff(rows, append=grey.shape[0]), np.diff(columns, append=grey.shape[1]))
    share = np.histogram(grey, bins=GREY_BINS, range=(0.0, 1.0))[0] / grey.size
    return np.concatenate([(total / count).ravel(), share, [grey.mean(), grey.std()]]).astype(np.float32)


def summarise_note(chunks: Sequence[NDArray]) -> Floats:
    """Columns of one note from the ids of its chunks; where an id stands does not count."""
    ids = np.concatenate([np.asarray(chunk, dtype=np.uint64) for chunk in chunks])
    mixed = (ids * _HASH) % (np.uint64(1) << _HASH_BITS)
    bucket = (mixed * np.uint64(NOTE_BUCKETS)) >> _HASH_BITS
    count = np.bincount(bucket.astype(np.int64), minlength=NOTE_BUCKETS)
    return np.log1p(np.append(count, len(ids))).astype(np.float32)


def _row(record: StayRecord, modalities: Sequence[Modality]) -> Floats:
    has, parts = [], []
    for m in modalities:
        is_here = getattr(record, m) is not None
        has.append(float(is_here))
        parts.append(_SUMMARISE[m](record) if is_here else np.full(len(_NAMES[m]), np.nan, np.float32))
    return np.concatenate([np.array(has, np.float32), *parts])


_NOTE_NAMES = (*(f"bucket_{i}" for i in range(NOTE_BUCKETS)), "ids")
_NAMES: dict[Modality, tuple[str, ...]] = {
    Modality.EHR: (
        *(f"{kind}_{column}" for kind in OF_VALUE for column in range(EHR_VALUE_COLUMNS)),
        *(f"{kind}_{channel}" for kind in OF_CHANNEL for channel in range(EHR_CHANNELS)),
        "steps",
    ),
    Modality.CXR: (
        *(f"cell_{i}" for i in range(CELLS_PER_SIDE**2)),
        *(f"grey_{i}" for i in range(GREY_BINS)),
        "mean",
        "std",
    ),
    Modality.RR: _NOTE_NAMES,
    Modality.DN: _NOTE_NAMES,
}
_SUMMARISE: dict[Modality, Callable[[StayRecord], Floats]] = {
    Modality.EHR: lambda record: summarise_ehr(record.ehr, record.ehr_observed),
    Modality.CXR: lambda record: summarise_cxr(record.cxr),
    Modality.RR: lambda record: summarise_note(record.rr),
    Modality.DN: lambda record: summarise_note(record.dn),
}
