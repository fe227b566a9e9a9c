"""Batches made by hand, for the tests of the network."""

import pytest
import torch

from medpatch.contract.batch import Batch
from model.factory import make_batch


@pytest.fixture
def batch() -> Batch:
    """Six stays, among them one with everything, one with nothing and one with an EHR alone."""
    pattern = [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 1, 1], [0, 1, 0, 1], [1, 0, 1, 0]]
    return make_batch(torch.tensor(pattern, dtype=torch.bool))
