"""Stays of a split as one row of countable features each, for models that are no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpatch.config.name import Modality, Split
from medpatch.data.dataset import ShardDataset
from medpatch.data.spec import tensor_spec
from medpatch.model.baseline.summary_feature import summarise_stays, summary_names


@dataclass(frozen=True)
class FeatureTable:
    """The n stays of a split in stored order.

    Attributes:
        value: (n, F) float32, NaN where a stay lacks the modality.
        label: (n, K) int8.
        subject_id: (n,) int64.
        names: F names.
    """

    value: NDArray[np.float32]
    label: NDArray[np.int8]
    subject_id: NDArray[np.int64]
    names: tuple[str, ...]


def read_table(tensor_dir: Path, split: Split, *, modalities: Sequence[Modality]) -> FeatureTable:
    """Summaries of the raw tensors of a split; no row where it has no stay."""
    names, spec = summary_names(modalities), tensor_spec(tensor_dir)
    if not spec.stay_count[split]:
        empty = np.empty((0, len(names)), np.float32)
        return FeatureTable(empty, np.empty((0, spec.label_count), np.int8), np.empty(0, np.int64), names)
    dataset = ShardDataset(tensor_dir, split, modalities=modalities, resident_shards=1)
    value = summarise_stays((dataset[i] for i in range(len(dataset))), modalities)
    return FeatureTable(value, dataset.label(), dataset.subject_id, names)
