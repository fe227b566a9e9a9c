"""Rows of a cached column, and what stands in for a stay that has none."""

import torch

from medpatch.feature.store import _pick

ABSENT = torch.tensor([[False, True]])
NOBODY = torch.tensor([-1, -1])


def test_where_no_stay_has_the_modality_the_type_is_that_of_the_stand_in() -> None:
    found = _pick(torch.zeros(0, 2), NOBODY, absent=ABSENT)
    assert found.dtype is torch.bool
    assert found.tolist() == [[False, True], [False, True]]


def test_a_stay_that_lacks_the_modality_gets_the_stand_in() -> None:
    found = _pick(torch.tensor([[True, True]]), torch.tensor([0, -1]), absent=ABSENT)
    assert found.tolist() == [[True, True], [False, True]]
