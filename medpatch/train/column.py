"""An append-only file of equally shaped rows that reads back as one memory-mapped tensor."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class ColumnWriter:
    """Collects rows batch by batch in constant memory."""

    def __init__(self, path: Path) -> None:
        """Take the file to write; its shape and type come with the first rows."""
        self.path = path
        self._file = path.open("xb")  # never the file of another writer
        self._shape: tuple[int, ...] | None = None
        self._dtype: np.dtype | None = None
        self._rows = 0

    def append(self, rows: Tensor) -> None:
        """Add rows (R, ...), all of one shape and type.

        Raises:
            ValueError: they differ from the rows before.
        """
        array = np.ascontiguousarray(rows.detach().cpu().numpy())
        if self._shape is None:
            self._shape, self._dtype = array.shape[1:], array.dtype
        if (array.shape[1:], array.dtype) != (self._shape, self._dtype):
            raise ValueError(
                f"{self.path.name}: rows of shape {array.shape[1:]} {array.dtype} after rows of "
                f"{self._shape} {self._dtype}; every batch must have the same"
            )
        array.tofile(self._file)
        self._rows += len(array)

    def finish(self) -> Tensor:
        """All rows as one tensor that is read from the file when touched; an empty one if there were none."""
        self._file.close()
        if not self._rows:
            return torch.empty(0, *(self._shape or ()))
        mapped = np.memmap(self.path, dtype=self._dtype, mode="r+", shape=(self._rows, *self._shape))
        return torch.from_numpy(mapped)
