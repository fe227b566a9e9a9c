"""Batches of a split in a seeded order."""

import math
from collections.abc import Iterator

import numpy as np

from medpatch.contract.batch import Batch
from medpatch.data.collate import collate
from medpatch.data.dataset import ShardDataset


class Loader:
    """Iterates over the batches of one epoch; the order depends on (seed, epoch) alone.

    The last batch may be smaller; no stay is dropped.
    """

    def __init__(self, dataset: ShardDataset, *, batch_size: int, shuffle: bool, seed: int) -> None:
        """Start at epoch 0."""
        if batch_size < 1:
            raise ValueError(f"batch_size: {batch_size}, expected at least 1")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches per epoch."""
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the epoch."""
        if self.shuffle:
            self.dataset.decode_ahead()
        order = self._order().tolist()
        for first in range(0, len(order), self.batch_size):
            records = [self.dataset[i] for i in order[first : first + self.batch_size]]
            yield collate(records, self.dataset.modalities, image_size_px=self.dataset.spec.image_size_px)

    def _order(self) -> np.ndarray:
        """(N,) positions; with a limit on resident shards, shuffled among as many shards as fit."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        random = np.random.default_rng([self.seed, self.epoch])
        number = self.dataset.shard_number
        rank = random.permutation(number.max() + 1)[number]  # place of the stay's shard in this epoch
        group = rank // (self.dataset.resident_shards or len(rank))
        return np.lexsort((random.random(len(rank)), group))


def make_loader(dataset: ShardDataset, *, batch_size: int, shuffle: bool, seed: int) -> Loader:
    """Batches of the dataset; call `set_epoch` before each epoch of a shuffled loader."""
    return Loader(dataset, batch_size=batch_size, shuffle=shuffle, seed=seed)
