"""A folder of features: what a frozen encoder made of one modality, read back memory-mapped."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from medpatch.config.error import CheckpointError
from medpatch.config.name import Modality, Split
from medpatch.contract.artifact import is_whole
from medpatch.feature.column import open_column
from medpatch.feature.ragged import Ragged, open_ragged

ABOUT = "features.json"


@dataclass(frozen=True)
class FeatureSplit:
    """The n stays of a split that bring the modality, in a random order with like lengths side by side.

    Attributes:
        stay_id: (n,) int64.
        pooled: (n, D) the encoder's own summaries.
        brief: at most `train.rival_tokens` tokens per stay.
        tokens: every token of the first stays, as many as `train.cache_gib` has room for.
    """

    stay_id: Tensor
    pooled: Tensor
    brief: Ragged
    tokens: Ragged

    def __len__(self) -> int:
        """n."""
        return len(self.stay_id)


@dataclass(frozen=True)
class FeatureFolder:
    """What `encode.write_features` left.

    Attributes:
        path: the folder.
        modality: which one.
        width: D of a raw token.
        views: views of the train split; the first is the unchanged one.
    """

    path: Path
    modality: Modality
    width: int
    views: int

    def split(self, split: Split, view: int = 0) -> FeatureSplit:
        """Features of a split; `view` below `views` for the train split."""
        stem = split_stem(split, view)
        return FeatureSplit(
            stay_id=open_column(self.path / f"{stem}.stay_id"),
            pooled=open_column(self.path / f"{stem}.pooled").view(-1, self.width),
            brief=self._tokens(f"{stem}.brief"),
            tokens=self._tokens(f"{stem}.token"),
        )

    def _tokens(self, name: str) -> Ragged:
        found = open_ragged(self.path / name)
        return Ragged(found.row.view(-1, self.width), found.start)  # a width where there is no row, too


def open_features(folder: Path, modality: Modality, *, data: str) -> FeatureFolder:
    """The features in a folder.

    Args:
        folder: made by `encode.write_features`.
        modality: refuse any other.
        data: fingerprint of the tensors; refuse features of others.

    Raises:
        CheckpointError: absent, not whole, of another modality or of other tensors.
    """
    about = read_about(folder / ABOUT)
    found = (about["modality"], about["data"])
    if found != (str(modality), data):
        raise CheckpointError(
            f"{folder}: features of {found[0]} of tensors {found[1]}, expected {modality} of {data}; remove the folder "
            "and train again"
        )
    return FeatureFolder(folder, modality, width=about["width"], views=about["views"])


def read_about(file: Path) -> dict[str, Any]:
    """What a folder of cached tensors says about itself.

    Raises:
        CheckpointError: the folder is absent or not whole.
    """
    if not is_whole(file.parent):
        raise CheckpointError(f"{file.parent}: no whole folder of cached features; run the train step, it makes one")
    return json.loads(file.read_text())


def split_stem(split: Split, view: int) -> str:
    """How the files of a split are called."""
    return f"{split}-view-{view}" if view else str(split)
