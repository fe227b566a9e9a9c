"""Features of some stays: read where the encoder stands still, computed where it moves."""

from typing import Protocol

import torch
from torch import Tensor

from medpatch.feature.opening import SplitIndex
from medpatch.feature.store import InputStore
from medpatch.model.feature import Features
from medpatch.model.medpatch import MedPatch


class Pools(Protocol):
    """Stays as fusion reads them: a `FeatureStore`, or one that changes from epoch to epoch."""

    index: SplitIndex

    def take(self, index: Tensor, device: torch.device) -> Features:
        """Features of some stays."""


def assemble(
    network: MedPatch, pools: Pools, *, raw: InputStore | None, index: Tensor, device: torch.device
) -> Features:
    """Features of stays by index.

    Args:
        network: its encoders and scorers are run for the modalities of `raw` alone.
        pools: of the modalities whose encoders stand still.
        raw: inputs of the others, or None.
        index: (B,).
        device: where the network is.
    """
    features = pools.take(index, device)
    if raw is None:
        return features
    merged = {**features.modality, **network.extractor(raw.take(index).to(device)).modality}
    return Features(features.presence, {m: merged[m] for m in network.fusion.modalities})
