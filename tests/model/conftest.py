"""Batches made by hand and reference numbers, for the tests of the network."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from medpatch.contract.batch import Batch
from model.factory import make_batch

Golden = tuple[dict[str, Tensor], dict[str, str]]


@pytest.fixture
def golden(shared_dir: Path) -> Callable[[str], Golden]:
    """Tensors and metadata of a reference file by name, or a skip."""

    def load(name: str) -> Golden:
        path = shared_dir / "golden" / f"{name}.safetensors"
        if not path.exists():
            pytest.skip(f"reference file {path.name} is absent")
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118

    return load


@pytest.fixture
def batch() -> Batch:
    """Six stays, among them one with everything, one with nothing and one with an EHR alone."""
    pattern = [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 1, 1], [0, 1, 0, 1], [1, 0, 1, 0]]
    return make_batch(torch.tensor(pattern, dtype=torch.bool))
