"""What sampled stays must have in common: what stands for unmeasured, and the edges of note chunks."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_TYPE

Stay = dict[str, pa.Scalar]
"""A row of a shard, as contract/tensor.py STAY_SCHEMA."""


def channels_not_normal(stays: Sequence[Stay], owner: np.ndarray) -> list[int | None]:
    """Per stay, channels not measured in its first step that hold another value than in most such stays.

    Args:
        stays: n rows.
        owner: (59,) channel of each value column.

    Returns:
        n counts, None without EHR.
    """
    channels = int(owner.max()) + 1
    value = np.full((len(stays), len(owner)), np.nan, dtype=EHR_TYPE)  # of the first step, where not measured
    has_grid = np.zeros(len(stays), dtype=bool)
    for i, stay in enumerate(stays):
        first = matrix(stay["ehr"], len(owner), kind=EHR_TYPE)[:1]
        observed = matrix(stay["ehr_observed"], channels, kind="u1")[:1] != 0
        if len(first) and len(observed):
            has_grid[i] = True
            value[i] = np.where(observed[0, owner], np.nan, first[0])
    unlike = np.zeros((len(stays), channels), dtype=bool)
    for column, channel in enumerate(owner):
        is_open = has_grid & ~np.isnan(value[:, column])
        if is_open.any():
            unlike[:, channel] |= is_open & (value[:, column] != _most_frequent(value[is_open, column]))
    return [int(row.sum()) if has else None for row, has in zip(unlike, has_grid, strict=True)]


def chunks_without_edges(stays: Sequence[Stay]) -> list[int | None]:
    """Per stay, chunks of notes whose first or last id is another than that of most chunks; None without notes."""
    chunks = [
        [chunk for m in (Modality.RR, Modality.DN) if stay[m].is_valid for chunk in stay[m].as_py()] for stay in stays
    ]
    edges = np.array([(c[0], c[-1]) for of_stay in chunks for c in of_stay if c]).reshape(-1, 2)
    if not len(edges):
        return [len(of_stay) or None for of_stay in chunks]
    start, end = _most_frequent(edges[:, 0]), _most_frequent(edges[:, 1])
    return [sum(not c or c[0] != start or c[-1] != end for c in of_stay) if of_stay else None for of_stay in chunks]


def matrix(cell: pa.Scalar, width: int, *, kind: str) -> np.ndarray:
    """(T, width); bytes that fill no whole step are left out, so that their step is missing."""
    content = cell.as_buffer() if cell.is_valid else b""
    flat = np.frombuffer(content, dtype=kind, count=len(content) // np.dtype(kind).itemsize)
    return flat[: len(flat) // width * width].reshape(-1, width)


def _most_frequent(values: np.ndarray) -> float:
    found, count = np.unique(values, return_counts=True)
    return found[count.argmax()]
