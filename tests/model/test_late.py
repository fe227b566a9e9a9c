"""The weighted sum of heads and the plain mean, with numbers worked out by hand."""

import math

import pytest
import torch

from medpatch.model.baseline.ensemble import MeanOf, mean_of_models
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


def test_large_weight_of_a_head_without_input_does_not_silence_the_others():
    weight = torch.tensor([[200.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    late = weighted_late(LOGITS, torch.tensor([[0, 1, 1]]), weight)
    torch.testing.assert_close(late, torch.tensor([[4.0, 5.0]]))


def test_no_head_at_all_gives_zero():
    assert weighted_late(LOGITS, torch.zeros(1, 3), torch.ones(3, 2)).eq(0).all()


def test_heads_that_disagree_in_number_are_refused():
    with pytest.raises(ValueError, match="must agree"):
        weighted_late(LOGITS, torch.ones(1, 2), torch.ones(3, 2))


def test_plain_mean_leaves_absent_modalities_out():
    mean = mean_of_present(LOGITS, torch.tensor([[True, False, True]]))
    torch.testing.assert_close(mean, torch.tensor([[3.0, 4.0]]))


def test_ensemble_averages_probabilities_of_the_models_that_have_input():
    logits = torch.tensor([[[math.log(3.0)], [float("nan")], [-math.log(3.0)]]])  # 0.75, nothing, 0.25
    present = torch.tensor([[True, False, True]])
    torch.testing.assert_close(mean_of_models(logits, present), torch.zeros(1, 1))
    skewed = torch.tensor([[[math.log(9.0)], [0.0], [0.0]]])  # 0.9, 0.5, 0.5
    mean = torch.sigmoid(mean_of_models(skewed, torch.ones(1, 3, dtype=torch.bool)))
    torch.testing.assert_close(mean, torch.full((1, 1), 1.9 / 3))


def test_ensemble_of_sure_models_stays_finite_and_sure():
    sure = torch.full((1, 2, 1), 200.0)
    assert mean_of_models(sure, torch.ones(1, 2, dtype=torch.bool)).item() == pytest.approx(200.0)


def test_ensemble_may_average_logits_as_published():
    mean = mean_of_models(LOGITS, torch.tensor([[True, False, True]]), mean_of=MeanOf.LOGIT)
    torch.testing.assert_close(mean, torch.tensor([[3.0, 4.0]]))


def test_ensemble_without_any_model_says_nothing():
    assert mean_of_models(LOGITS, torch.zeros(1, 3, dtype=torch.bool)).eq(0).all()
