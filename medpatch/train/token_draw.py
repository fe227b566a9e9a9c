"""Which tokens of a stay one pass of the confidence stage reads."""

from collections.abc import Iterable

import torch
from torch import Tensor

from medpatch.feature.batching import shuffled
from medpatch.feature.seed import derive_seed


class TokenDraw:
    """Places of T tokens in each of n stays, drawn anew each epoch.

    The draw of an epoch depends on the seed and the epoch alone: a run that goes on in the middle of an epoch, and
    each of several processes, draw the same. Neighbours say nearly the same, so that a part of a stay's tokens
    teaches as much as all of them for a fraction of the time.

    Attributes:
        place: (n, T) in [0, 1) of the epoch that `batches` was last asked for, see `Ragged.drawn`.
    """

    def __init__(self, stays: int, per_stay: int, *, seed: int) -> None:
        """Take n, T and the seed."""
        self.place = torch.zeros(stays, per_stay)
        self.seed = seed

    def batches(self, epoch: int, *, batch_size: int) -> Iterable[Tensor]:
        """Draw for this epoch; index tensors of all stays in its order."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch, "tokens"))
        self.place = torch.rand(self.place.shape, generator=generator)
        return shuffled(torch.ones(len(self.place)), batch_size=batch_size, seed=derive_seed(self.seed, epoch))
