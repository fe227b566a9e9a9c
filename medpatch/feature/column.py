"""An append-only file of equally shaped rows that reads back as one memory-mapped tensor."""

import json
from pathlib import Path

import torch
from torch import Tensor

SHAPE_SUFFIX = ".json"


class ColumnWriter:
    """Collects rows batch by batch in constant memory; the bytes lie in `path`, shape and type beside it."""

    def __init__(self, path: Path, *, dtype: torch.dtype | None = None) -> None:
        """Take the file to write.

        Args:
            path: file of the rows; never one that is there.
            dtype: what rows are turned into; None keeps the type of the first ones.
        """
        self.path = path
        self.rows = 0
        self._file = path.open("xb")
        self._shape: tuple[int, ...] | None = None
        self._dtype = dtype

    def append(self, rows: Tensor) -> None:
        """Add rows (R, ...), all of one shape and type.

        Raises:
            ValueError: they differ from the rows before.
        """
        rows = rows.detach().to("cpu", self._dtype).contiguous()
        shape = tuple(rows.shape[1:])
        if self._shape is None:
            self._shape, self._dtype = shape, rows.dtype
        if (shape, rows.dtype) != (self._shape, self._dtype):
            raise ValueError(
                f"{self.path.name}: rows of shape {shape} {rows.dtype} after rows of {self._shape} {self._dtype}; "
                "every batch must have the same"
            )
        # not through a NumPy array of the type: NumPy has no bfloat16
        rows.view(-1).view(torch.uint8).numpy().tofile(self._file)
        self.rows += len(rows)

    def close(self) -> None:
        """End the file and write its shape beside it."""
        self._file.close()
        dtype = str(self._dtype or torch.float32).removeprefix("torch.")
        shape = [self.rows, *(self._shape or ())]
        _beside(self.path).write_text(json.dumps({"dtype": dtype, "shape": shape}))


def open_column(path: Path) -> Tensor:
    """The rows that a writer left, read from the file when touched; writing into the tensor changes no file."""
    about = json.loads(_beside(path).read_text())
    dtype, shape = getattr(torch, about["dtype"]), about["shape"]
    size = path.stat().st_size
    if not size:
        return torch.empty(shape, dtype=dtype)
    return torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8).view(dtype).view(shape)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + SHAPE_SUFFIX)
