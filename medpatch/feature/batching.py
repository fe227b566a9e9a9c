"""Which stays share a batch."""

from collections.abc import Iterator

import torch
from torch import Tensor

BATCHES_PER_POOL = 8


def shuffled(length: Tensor, *, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Index tensors (B,) that cover every stay once, in random order, stays of like length together.

    Args:
        length: (n,) rows per stay; equal lengths give plain shuffling.
        batch_size: stays per batch; the last of all may be smaller.
        seed: of the order; change it with the epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(length), generator=generator)
    batches: list[Tensor] = []
    for pool in order.split(BATCHES_PER_POOL * batch_size):
        batches += pool[torch.argsort(length[pool], stable=True)].split(batch_size)
    for place in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[place]


def in_order(length: Tensor, *, batch_size: int) -> Iterator[Tensor]:
    """Index tensors (B,) that cover every stay once, from short to long."""
    yield from torch.argsort(length, stable=True).split(batch_size) if len(length) else ()
