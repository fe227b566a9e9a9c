"""What loading a logged model leaves in this process is taken back."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _search_path_as_before() -> Iterator[None]:
    """MLflow puts a model's own code on the search path; processes started by later tests would import that copy."""
    before = list(sys.path)
    yield
    sys.path[:] = before
