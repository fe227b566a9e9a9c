"""One seed for everything that is random, and the same numbers from the same seed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.utils.deterministic as memory


def derive_seed(seed: int, *names: object) -> int:
    """A seed for one use, so that stages do not share a random stream: 63 bits."""
    text = ":".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Seed torch and ask for deterministic kernels inside the block; the outer state returns afterwards.

    Kernels without a deterministic form only warn: a GPU may then differ in the last digits. New memory is not
    filled with nan first, as torch would: nothing here reads what it has not written, and filling costs a tenth.
    """
    before, filled = torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
            memory.fill_uninitialized_memory = filled
