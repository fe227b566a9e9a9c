"""Rows of many stays, end to end: raw inputs or tokens, collected once and read back memory-mapped."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Modality
from medpatch.contract.batch import Batch
from medpatch.feature.column import ColumnWriter, open_column


@dataclass(frozen=True)
class Ragged:
    """Rows of n stays, end to end.

    Attributes:
        row: (R, ...) hours, images, chunks of a note, or tokens.
        start: (n + 1,) int64; stay i owns the rows from start[i] to start[i + 1].
    """

    row: Tensor
    start: Tensor

    def __len__(self) -> int:
        """n."""
        return len(self.start) - 1

    @property
    def length(self) -> Tensor:
        """(n,) rows per stay."""
        return self.start.diff()

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, N, ...) of some stays, zeros after the last, and which are real (B, N)."""
        length = self.length[index]
        step = torch.arange(int(length.max()) if len(length) else 0)
        mask = step < length.unsqueeze(1)  # (B, N)
        position = torch.where(mask, self.start[index].unsqueeze(1) + step, self.start[index].unsqueeze(1))
        row = self.row[position.clamp_max(max(len(self.row) - 1, 0))]
        return row.masked_fill(~mask.view(*mask.shape, *[1] * (row.dim() - 2)), 0), mask

    def flat(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (R, ...) of some stays without padding, and the place in `index` of each row's stay (R,)."""
        length = self.length[index]
        owner = torch.repeat_interleave(torch.arange(len(index)), length)
        first = torch.repeat_interleave(self.start[index] - (length.cumsum(0) - length), length)
        return self.row[first + torch.arange(len(owner))], owner

    def drawn(self, index: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """At most T rows of some stays, spread over the stay, and the place in `index` of each row's stay.

        A stay of at most T rows gives all of them; a longer one is cut into T pieces and gives one row of each.

        Args:
            index: (B,) stays.
            place: (B, T) in [0, 1), where in its piece each row lies.

        Returns:
            rows (R, ...) and owners (R,), in the order of the stays and of their rows.
        """
        length = self.length[index].unsqueeze(1)  # (B, 1)
        pieces = place.shape[1]
        column = torch.arange(pieces).expand_as(place)
        first, after = column * length // pieces, (column + 1) * length // pieces
        # in double: the largest place below one times a length must not be rounded up to it
        inside = torch.where(length > pieces, first + (place.double() * (after - first)).long(), column)
        is_real = column < length
        return self.row[(self.start[index].unsqueeze(1) + inside)[is_real]], is_real.nonzero()[:, 0]

    def first(self, stays: int) -> "Ragged":
        """The first stays alone."""
        return Ragged(self.row[: int(self.start[stays])], self.start[: stays + 1])


class RaggedWriter:
    """Collects stays one batch at a time into `path` and, for their lengths, a file beside it."""

    def __init__(self, path: Path, *, dtype: torch.dtype | None = None) -> None:
        """Take the file for the rows and their type on disk."""
        self._row = ColumnWriter(path, dtype=dtype)
        self._length = ColumnWriter(_length_file(path), dtype=torch.int64)

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return self._row.rows

    def append(self, value: Tensor, mask: Tensor) -> None:
        """Add the real rows of B stays: value (B, N, ...), mask (B, N) bool."""
        self._row.append(value[mask])
        self._length.append(mask.sum(dim=1))

    def close(self) -> None:
        """End both files."""
        self._row.close()
        self._length.close()


def open_ragged(path: Path) -> Ragged:
    """What a writer left there."""
    length = open_column(_length_file(path))
    return Ragged(open_column(path), torch.cat([torch.zeros(1, dtype=torch.int64), length]).cumsum(0))


@dataclass(frozen=True)
class Inputs:
    """What an encoder reads of the n stays that bring one modality.

    Attributes:
        modality: which one.
        rows: an hour, an image, or a chunk of a note (ids, -1 after the last).
        stay_id: (n,) int64.
        subject_id: (n,) int64.
        label: (n, K) float.
    """

    modality: Modality
    rows: Ragged
    stay_id: Tensor
    subject_id: Tensor
    label: Tensor

    def __len__(self) -> int:
        """n."""
        return len(self.rows)

    @property
    def length(self) -> Tensor:
        """(n,) rows per stay."""
        return self.rows.length

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Value and mask of some stays in the layout of `Batch`."""
        value, mask = self.rows.take(index)
        return as_input(self.modality, value, mask=mask)


def collect_inputs(batches: Iterable[Batch], modality: Modality, *, path: Path, chunk_tokens: int) -> Inputs:
    """The inputs of the stays that have the modality, without padding; chunks are padded to `chunk_tokens`."""
    writer = RaggedWriter(path)
    label, stay, subject = [], [], []
    for batch in batches:
        value, mask = _as_rows(batch.value[modality], batch.mask[modality], chunk_tokens=chunk_tokens)
        here = batch.presence[:, batch.modalities.index(modality)] & mask.any(dim=1)
        if bool(here.any()):
            writer.append(value[here], mask[here])
            label.append(batch.label[here].cpu())
            stay.append(batch.stay_id[here].cpu())
            subject.append(batch.subject_id[here].cpu())
    writer.close()
    none = torch.empty(0, dtype=torch.int64)
    return Inputs(
        modality,
        open_ragged(path),
        stay_id=torch.cat([none, *stay]),
        subject_id=torch.cat([none, *subject]),
        label=torch.cat(label) if label else torch.empty(0, 0),
    )


def as_input(modality: Modality, value: Tensor, *, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows from `Ragged.take` in the layout of `Batch`: the value and mask that an encoder reads."""
    if modality is Modality.CXR:
        return value[:, 0], mask[:, 0]
    if modality is Modality.EHR:
        return value, mask
    real = (value >= 0) & mask.unsqueeze(-1)  # (B, S, L)
    longest = int(real.sum(dim=2).max())
    return value[..., :longest].clamp_min(0).long(), real[..., :longest]


def _as_rows(value: Tensor, mask: Tensor, *, chunk_tokens: int) -> tuple[Tensor, Tensor]:
    """Batch layout -> (B, N, ...) rows and (B, N) mask."""
    if mask.dim() == 1:  # one image per stay
        return value.unsqueeze(1), mask.unsqueeze(1)
    if mask.dim() == 2:  # hours
        return value, mask
    ids = value.masked_fill(~mask, -1).to(torch.int32)
    ids = torch.nn.functional.pad(ids, (0, chunk_tokens - ids.shape[2]), value=-1)
    return ids, mask.any(dim=2)


def _length_file(path: Path) -> Path:
    return path.with_name(path.name + ".length")
