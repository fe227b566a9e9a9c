"""Stays of a split by index: as fusion, as a rival, or as an encoder reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Modality, Split
from medpatch.contract.batch import Batch
from medpatch.feature.opening import SplitIndex
from medpatch.feature.pool import open_absent, open_pools
from medpatch.feature.ragged import Inputs, Ragged
from medpatch.feature.split import FeatureFolder, FeatureSplit
from medpatch.model.feature import Features, ModalityFeature, ModalityTokens, StayTokens
from medpatch.model.unimodal import Unimodal

LOGITS_AT_ONCE = 4096


@dataclass(frozen=True)
class FeatureStore:
    """Pools of the n stays of a split; all that the fusion stage reads.

    Attributes:
        index: who they are.
        row: per modality (n,) place among the cached stays, -1 where the stay lacks it.
        column: per modality the cached columns of `ModalityFeature`, backed by files.
        absent: per modality the same columns (1, ...) for a stay that lacks it.
    """

    index: SplitIndex
    row: Mapping[Modality, Tensor]
    column: Mapping[Modality, Mapping[str, Tensor]]
    absent: Mapping[Modality, Mapping[str, Tensor]]

    def __len__(self) -> int:
        """n."""
        return len(self.index)

    def take(self, index: Tensor, device: torch.device) -> Features:
        """Features of some stays, as float32."""
        modality = {}
        for name, columns in self.column.items():
            row = self.row[name][index]
            found = {
                key: _float(_pick(column, row, absent=self.absent[name][key]).to(device, non_blocking=True))
                for key, column in columns.items()
            }
            modality[name] = ModalityFeature(**found)
        return Features(presence=self.index.presence[index].to(device), modality=modality)


def open_feature_store(
    index: SplitIndex,
    split: Split,
    *,
    features: Mapping[Modality, FeatureFolder],
    pool_dirs: Mapping[Modality, Path],
    view: int = 0,
) -> FeatureStore:
    """Features of a split from the folders of each modality.

    Args:
        index: who is in the split, with the modalities' presence.
        split: which one.
        features: what each encoder left.
        pool_dirs: the pools made from it.
        view: of the train split, where a modality has several.
    """
    row, column, absent = {}, {}, {}
    for name, folder in features.items():
        own_view = view if view < folder.views else 0
        cached = folder.split(split, own_view)
        row[name] = row_of(index, cached.stay_id)
        column[name] = {"pooled": cached.pooled, **open_pools(pool_dirs[name], split, view=own_view)}
        absent[name] = {"pooled": torch.zeros(1, folder.width), **open_absent(pool_dirs[name])}
    return FeatureStore(index, row, column, absent)


@dataclass(frozen=True)
class TokenStore:
    """Shortened tokens of the n stays of a split; all that a rival reads.

    Attributes:
        index: who they are.
        row: per modality (n,) place among the cached stays, -1 where the stay lacks it.
        cached: per modality the cached stays.
        logits: per modality (n_cached, K) of the unimodal model.
    """

    index: SplitIndex
    row: Mapping[Modality, Tensor]
    cached: Mapping[Modality, FeatureSplit]
    logits: Mapping[Modality, Tensor]

    def __len__(self) -> int:
        """n."""
        return len(self.index)

    def take(self, index: Tensor, device: torch.device) -> StayTokens:
        """Some stays, as float32."""
        modality = {}
        for name, cached in self.cached.items():
            row = self.row[name][index]
            tokens, mask = _pick_rows(cached.brief, row)
            modality[name] = ModalityTokens(
                tokens=tokens.to(device).float(),
                token_mask=mask.to(device),
                pooled=_pick(cached.pooled, row).to(device),
                logits=_pick(self.logits[name], row).to(device),
            )
        return StayTokens(presence=self.index.presence[index].to(device), modality=modality)


def open_token_store(
    index: SplitIndex,
    split: Split,
    *,
    features: Mapping[Modality, FeatureFolder],
    unimodal: Mapping[Modality, Unimodal],
) -> TokenStore:
    """Tokens of a split from the folders of each modality; arguments as in `open_feature_store`."""
    cached = {name: folder.split(split) for name, folder in features.items()}
    row = {name: row_of(index, part.stay_id) for name, part in cached.items()}
    return TokenStore(index, row, cached, {n: cached_logits(unimodal[n], part) for n, part in cached.items()})


@dataclass(frozen=True)
class InputStore:
    """Raw inputs of the n stays of a split, for encoders that move.

    Attributes:
        index: who they are.
        inputs: per modality the stays that bring it.
        row: per modality (n,) place among them, -1 where the stay lacks it.
    """

    index: SplitIndex
    inputs: Mapping[Modality, Inputs]
    row: Mapping[Modality, Tensor]

    def __len__(self) -> int:
        """n."""
        return len(self.index)

    def take(self, index: Tensor, modalities: Sequence[Modality] | None = None) -> Batch:
        """Some stays as the batch that the loader would make."""
        value, mask = {}, {}
        wanted = tuple(self.inputs) if modalities is None else tuple(modalities)
        for name in wanted:
            value[name], mask[name] = self._one(name, index)
        column = [self.index.modalities.index(name) for name in wanted]
        return Batch(
            stay_id=self.index.stay_id[index],
            subject_id=self.index.subject_id[index],
            label=self.index.label[index],
            presence=self.index.presence[index][:, column],
            modalities=wanted,
            value=value,
            mask=mask,
        )

    def _one(self, name: Modality, index: Tensor) -> tuple[Tensor, Tensor]:
        inputs = self.inputs[name]
        row = self.row[name][index]
        here = row >= 0
        if not bool(here.any()):  # no encoder looks at it
            dims = {Modality.CXR: 1, Modality.EHR: 2}.get(name, 3)
            empty = torch.zeros([len(index), *[1] * (dims - 1)], dtype=torch.bool)
            return empty.long(), empty
        value, mask = inputs.take(row[here])
        return _scatter(value, here), _scatter(mask, here)


def open_input_store(index: SplitIndex, inputs: Mapping[Modality, Inputs]) -> InputStore:
    """Inputs by stay of the split."""
    return InputStore(index, inputs, {name: row_of(index, part.stay_id) for name, part in inputs.items()})


def row_of(index: SplitIndex, stay_id: Tensor) -> Tensor:
    """(n,) place of each stay of the split among some cached ones, -1 where it is not there."""
    row = torch.full((len(index),), -1, dtype=torch.int64)
    row[index.place(stay_id)] = torch.arange(len(stay_id))
    return row


@torch.no_grad()
def cached_logits(network: Unimodal, cached: FeatureSplit) -> Tensor:
    """(n, K) logits of the unimodal model from cached summaries."""
    device = next(network.head.parameters()).device
    parts = [network.classify(p.to(device)).cpu() for p in cached.pooled.split(LOGITS_AT_ONCE)]
    return torch.cat(parts) if parts else torch.empty(0, network.head.linear.out_features)


def _pick(column: Tensor, row: Tensor, *, absent: Tensor | None = None) -> Tensor:
    """Rows (B, ...) of a column; `absent` (1, ...), or zeros, where `row` is -1."""
    here = row >= 0
    if bool(here.all()):
        return column[row]
    shape = (len(row), *(column if absent is None else absent).shape[1:])
    if absent is None:
        out = column.new_zeros(shape)
    else:
        # an empty column has no type of its own: no stay of the split brings the modality
        out = absent.to(column.dtype if len(column) else absent.dtype).expand(shape).clone()
    if bool(here.any()):
        out[here] = column[row[here]]
    return out


def _pick_rows(ragged: Ragged, row: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N, D) tokens, zeros where not real, and their mask (B, N); N is at least one."""
    here = row >= 0
    if not bool(here.any()):
        return ragged.row.new_zeros(len(row), 1, *ragged.row.shape[1:]), torch.zeros(len(row), 1, dtype=torch.bool)
    value, mask = ragged.take(row[here])
    return _scatter(value, here), _scatter(mask, here)


def _scatter(some: Tensor, here: Tensor) -> Tensor:
    if bool(here.all()):
        return some
    out = some.new_zeros(len(here), *some.shape[1:])
    out[here] = some
    return out


def _float(value: Tensor) -> Tensor:
    return value if value.dtype is torch.bool else value.float()
