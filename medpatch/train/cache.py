"""Inputs, tokens and pooled features of a split, computed once and read back memory-mapped."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Modality
from medpatch.contract.batch import Batch, Tokens
from medpatch.model.feature import Features, ModalityFeature
from medpatch.train.column import ColumnWriter


@dataclass(frozen=True)
class Ragged:
    """Rows of many stays, end to end.

    Attributes:
        row: (R, ...) rows of all n stays: hours, images, chunks of a note, or tokens.
        start: (n + 1,) int64; stay i owns the rows from start[i] to start[i + 1].
        label: (n, K) float.
        subject_id: (n,) int64.
    """

    row: Tensor
    start: Tensor
    label: Tensor
    subject_id: Tensor

    def __len__(self) -> int:
        """n."""
        return len(self.label)

    @property
    def length(self) -> Tensor:
        """(n,) rows per stay."""
        return self.start.diff()

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, N, ...) of some stays, zeros after the last, and which are real (B, N)."""
        length = self.length[index]
        step = torch.arange(int(length.max()))
        mask = step < length.unsqueeze(1)  # (B, N)
        position = torch.where(mask, self.start[index].unsqueeze(1) + step, self.start[index].unsqueeze(1))
        row = self.row[position]
        return row.masked_fill(~mask.view(*mask.shape, *[1] * (row.dim() - 2)), 0), mask

    def flat(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (R, ...) of some stays without padding, and the place in `index` of each row's stay (R,)."""
        length = self.length[index]
        owner = torch.repeat_interleave(torch.arange(len(index)), length)
        first = torch.repeat_interleave(self.start[index] - (length.cumsum(0) - length), length)
        return self.row[first + torch.arange(len(owner))], owner


class RaggedWriter:
    """Collects stays one batch at a time."""

    def __init__(self, path: Path) -> None:
        """Take the file for the rows."""
        self._row = ColumnWriter(path)
        self._length: list[Tensor] = []
        self._label: list[Tensor] = []
        self._subject: list[Tensor] = []

    def append(self, value: Tensor, mask: Tensor, *, label: Tensor, subject_id: Tensor) -> None:
        """Add the real rows of B stays: value (B, N, ...), mask (B, N) bool."""
        self._row.append(value[mask])
        self._length.append(mask.sum(dim=1).cpu())
        self._label.append(label.cpu())
        self._subject.append(subject_id.cpu())

    def finish(self) -> Ragged:
        """Everything that was added."""
        zero = torch.zeros(1, dtype=torch.int64)
        return Ragged(
            row=self._row.finish(),
            start=torch.cat([zero, *self._length]).cumsum(0),
            label=torch.cat(self._label) if self._label else torch.empty(0, 0),
            subject_id=torch.cat(self._subject) if self._subject else zero[:0],
        )


def collect_inputs(batches: Iterable[Batch], modality: Modality, path: Path, *, chunk_tokens: int) -> Ragged:
    """The inputs of the stays that have the modality, without padding.

    A row is an hour, an image, or a chunk of a note (ids, -1 after the last) padded to `chunk_tokens`.
    """
    writer = RaggedWriter(path)
    for batch in batches:
        value, mask = _as_rows(batch.value[modality], batch.mask[modality], chunk_tokens)
        here = batch.presence[:, batch.modalities.index(modality)] & mask.any(dim=1)
        if bool(here.any()):
            writer.append(value[here], mask[here], label=batch.label[here], subject_id=batch.subject_id[here])
    return writer.finish()


def as_input(modality: Modality, value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows from `Ragged.take` in the layout of `Batch`: the value and mask that an encoder reads."""
    if modality is Modality.CXR:
        return value[:, 0], mask[:, 0]
    if modality is Modality.EHR:
        return value, mask
    real = (value >= 0) & mask.unsqueeze(-1)  # (B, S, L)
    longest = int(real.sum(dim=2).max())
    return value[..., :longest].clamp_min(0).long(), real[..., :longest]


Encode = Callable[[Tensor], Tokens]
"""From indices (B,) of stays to their tokens."""


@torch.no_grad()
def collect_tokens(inputs: Ragged, encode: Encode, path: Path, *, order: Iterable[Tensor], at_most: int) -> Ragged:
    """Tokens of a frozen encoder.

    Args:
        inputs: n stays.
        encode: the encoder.
        path: file for the tokens.
        order: index tensors into `inputs`.
        at_most: stop after the batch that reaches this number of tokens.
    """
    writer, count = RaggedWriter(path), 0
    for index in order:
        if not len(index):
            continue
        tokens = encode(index)
        writer.append(tokens.value, tokens.token_mask, label=inputs.label[index], subject_id=inputs.subject_id[index])
        count += int(tokens.token_mask.sum())
        if count >= at_most:
            break
    return writer.finish()


@torch.no_grad()
def collect_pooled(inputs: Ragged, encode: Encode, *, batch_size: int) -> Tensor:
    """Summaries (n, D_raw) of a frozen encoder."""
    if not len(inputs):
        return torch.empty(0, 0)
    return torch.cat([encode(index).pooled.cpu() for index in torch.arange(len(inputs)).split(batch_size)])


@dataclass(frozen=True)
class FeatureStore:
    """Pooled features of n stays; all that the fusion stage reads.

    Attributes:
        features: of all stays, tensors backed by files.
        label: (n, K) float.
        subject_id: (n,) int64.
    """

    features: Features
    label: Tensor
    subject_id: Tensor

    def __len__(self) -> int:
        """n."""
        return len(self.label)

    def take(self, index: Tensor, device: torch.device) -> Features:
        """Features of some stays."""
        return Features(
            presence=self.features.presence[index].to(device),
            modality={
                name: ModalityFeature(**{f.name: getattr(one, f.name)[index].to(device) for f in fields(one)})
                for name, one in self.features.modality.items()
            },
        )


@torch.no_grad()
def collect_features(batches: Iterable[Batch], extract: Callable[[Batch], Features], folder: Path) -> FeatureStore:
    """Run the frozen part of the network over a split once."""
    folder.mkdir()
    column: dict[tuple[str, str], ColumnWriter] = {}
    presence, label, subject = [], [], []
    for batch in batches:
        features = extract(batch)
        presence.append(features.presence.cpu())
        label.append(batch.label.cpu())
        subject.append(batch.subject_id.cpu())
        for name, one in features.modality.items():
            for field in fields(one):
                key = (name, field.name)
                if key not in column:
                    column[key] = ColumnWriter(folder / ".".join(key))
                column[key].append(getattr(one, field.name))
    done = {key: writer.finish() for key, writer in column.items()}
    names = dict.fromkeys(name for name, _ in done)
    modality = {
        Modality(name): ModalityFeature(**{f.name: done[name, f.name] for f in fields(ModalityFeature)})
        for name in names
    }
    if not label:
        return FeatureStore(Features(torch.empty(0, 0), {}), torch.empty(0, 0), torch.empty(0, dtype=torch.int64))
    return FeatureStore(Features(torch.cat(presence), modality), torch.cat(label), torch.cat(subject))


def _as_rows(value: Tensor, mask: Tensor, chunk_tokens: int) -> tuple[Tensor, Tensor]:
    """Batch layout -> (B, N, ...) rows and (B, N) mask."""
    if mask.dim() == 1:  # one image per stay
        return value.unsqueeze(1), mask.unsqueeze(1)
    if mask.dim() == 2:  # hours
        return value, mask
    ids = value.masked_fill(~mask, -1).to(torch.int32)
    ids = torch.nn.functional.pad(ids, (0, chunk_tokens - ids.shape[2]), value=-1)
    return ids, mask.any(dim=2)
