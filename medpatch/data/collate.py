"""Stays of differing length to one padded batch; masks say what is real."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from medpatch.config.name import Modality
from medpatch.contract.batch import Batch
from medpatch.contract.tensor import EHR_COLUMNS, EHR_VALUE_COLUMNS, StayRecord


def collate(records: Sequence[StayRecord], modalities: Sequence[Modality], *, image_size_px: int = 1) -> Batch:
    """Pad to the longest stay of the batch.

    An absent modality has presence False, no real position and zero content; where no stay of the batch has
    it, its axes have length 1 (an image keeps `image_size_px`).

    Args:
        records: B stays.
        modalities: M modalities, in canonical order.
        image_size_px: side of the images, used where no stay of the batch has one.

    Raises:
        ValueError: there is no record, or images differ in size.

    Deviates: the published batches pad every stay to 2646 steps and give absent modalities real positions.
    """
    if not records:
        raise ValueError("collate: a batch needs at least one stay; was the dataset filtered to nothing?")
    value: dict[Modality, Tensor] = {}
    mask: dict[Modality, Tensor] = {}
    for modality in modalities:
        value[modality], mask[modality] = PAD[modality](records, modality, image_size_px)
    presence = [[getattr(record, str(m)) is not None for m in modalities] for record in records]
    return Batch(
        stay_id=torch.tensor([record.stay_id for record in records], dtype=torch.int64),
        subject_id=torch.tensor([record.subject_id for record in records], dtype=torch.int64),
        label=torch.from_numpy(np.stack([record.label for record in records]).astype(np.float32)),
        presence=torch.tensor(presence, dtype=torch.bool).reshape(len(records), len(modalities)),
        modalities=tuple(modalities),
        value=value,
        mask=mask,
    )


def _pad_ehr(records: Sequence[StayRecord], modality: Modality, image_size_px: int) -> tuple[Tensor, Tensor]:
    """(B, T, 76) float32 and (B, T) bool."""
    steps = [0 if record.ehr is None else len(record.ehr) for record in records]
    longest = max(1, *steps)
    value = np.empty((len(records), longest, EHR_COLUMNS), dtype=np.float32)
    for row, record, count in zip(value, records, steps, strict=True):
        if count:
            row[:count, :EHR_VALUE_COLUMNS] = record.ehr
            row[:count, EHR_VALUE_COLUMNS:] = record.ehr_observed
        row[count:] = 0.0
    mask = np.arange(longest) < np.array(steps)[:, None]
    return torch.from_numpy(value), torch.from_numpy(mask)


def _pad_cxr(records: Sequence[StayRecord], modality: Modality, image_size_px: int) -> tuple[Tensor, Tensor]:
    """(B, H, H) uint8 and (B,) bool."""
    sides = {len(record.cxr) for record in records if record.cxr is not None} or {image_size_px}
    if len(sides) > 1:
        raise ValueError(f"collate: images of {sorted(sides)} px in one batch; do they come from one folder?")
    side = sides.pop()
    value = np.zeros((len(records), side, side), dtype=np.uint8)
    for row, record in zip(value, records, strict=True):
        if record.cxr is not None:
            row[:] = record.cxr
    mask = np.array([record.cxr is not None for record in records])
    return torch.from_numpy(value), torch.from_numpy(mask)


def _pad_note(records: Sequence[StayRecord], modality: Modality, image_size_px: int) -> tuple[Tensor, Tensor]:
    """(B, S, L) int64 and (B, S, L) bool."""
    notes: list[list[np.ndarray]] = [getattr(record, str(modality)) or [] for record in records]
    chunk_count = max(1, *(len(note) for note in notes))
    longest = max((len(chunk) for note in notes for chunk in note), default=1)
    value = np.zeros((len(records), chunk_count, longest), dtype=np.int64)
    length = np.zeros((len(records), chunk_count, 1), dtype=np.int64)
    for b, note in enumerate(notes):
        for s, chunk in enumerate(note):
            value[b, s, : len(chunk)] = chunk
            length[b, s] = len(chunk)
    return torch.from_numpy(value), torch.from_numpy(np.arange(longest) < length)


PAD: dict[Modality, Callable[[Sequence[StayRecord], Modality, int], tuple[Tensor, Tensor]]] = {
    Modality.EHR: _pad_ehr,
    Modality.CXR: _pad_cxr,
    Modality.RR: _pad_note,
    Modality.DN: _pad_note,
}
