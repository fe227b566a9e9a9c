"""The weighted sum of heads and the plain mean, with numbers worked out by hand."""

import math

import pytest
import torch

from medpatch.model.baseline.late import mean_of_present
from medpatch.model.late import weighted_late

LOGITS = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])  # (1, 3, 2)


def test_equal_weights_give_the_mean_of_the_present_heads():
    late = weighted_late(LOGITS, torch.tensor([[1, 0, 1]]), torch.ones(3, 2))
    torch.testing.assert_close(late, torch.tensor([[3.0, 4.0]]))


def test_weights_are_a_softmax_over_heads_per_label():
    weight = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0], [0.0, 0.0]])
    late = weighted_late(LOGITS, torch.tensor([[1, 1, 0]]), weight)
    # label 0: weights 3/4 and 1/4
    torch.testing.assert_close(late, torch.tensor([[1.5, 3.0]]))


def test_published_sum_over_labels_shrinks_by_their_number():
    late = weighted_late(torch.ones(1, 3, 2), torch.ones(1, 3), torch.ones(3, 2), compat="published")
    torch.testing.assert_close(late, torch.full((1, 2), 0.5))


def test_head_without_input_may_hold_anything():
    logits = LOGITS.clone()
    logits[0, 1] = float("nan")
    assert weighted_late(logits, torch.tensor([[1, 0, 1]]), torch.ones(3, 2)).isfinite().all()


def test_no_head_at_all_gives_zero():
    assert weighted_late(LOGITS, torch.zeros(1, 3), torch.ones(3, 2)).eq(0).all()


def test_heads_that_disagree_in_number_are_refused():
    with pytest.raises(ValueError, match="must agree"):
        weighted_late(LOGITS, torch.ones(1, 2), torch.ones(3, 2))


def test_plain_mean_leaves_absent_modalities_out():
    mean = mean_of_present(LOGITS, torch.tensor([[True, False, True]]))
    torch.testing.assert_close(mean, torch.tensor([[3.0, 4.0]]))
