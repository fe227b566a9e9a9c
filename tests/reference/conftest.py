"""Numbers of the published code."""

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from torch import Tensor

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
