"""Temperatures and thresholds."""

import pytest
import torch

from medpatch.train.calibrate import fit_temperature, fit_threshold


def test_temperature_recovers_how_far_logits_were_stretched():
    g = torch.Generator().manual_seed(0)
    truth = torch.randn(20_000, 2, generator=g) * 2
    label = (torch.rand(truth.shape, generator=g) < torch.sigmoid(truth)).float()
    found = fit_temperature(truth * torch.tensor([3.0, 0.5]), label)
    torch.testing.assert_close(found, torch.tensor([3.0, 0.5]), rtol=0.05, atol=0)


def test_temperature_recovers_how_far_evidence_was_stretched_away_from_the_centre():
    g = torch.Generator().manual_seed(2)
    centre = torch.tensor([-2.0, 1.0])
    evidence = torch.randn(40_000, 2, generator=g) * 2
    label = (torch.rand(evidence.shape, generator=g) < torch.sigmoid(centre + evidence)).float()
    found = fit_temperature(centre + evidence * torch.tensor([3.0, 0.5]), label, centre=centre)
    torch.testing.assert_close(found, torch.tensor([3.0, 0.5]), rtol=0.05, atol=0)


def test_silent_tokens_leave_the_temperature_about_the_centre_alone():
    centre = torch.logit(torch.tensor([0.12]))
    logits, label = centre.repeat(1000, 1), torch.zeros(1000, 1)
    label[:200] = 1.0  # more than the prevalence that the tokens say
    assert fit_temperature(logits, label, centre=centre).item() == 1.0
    assert fit_temperature(logits, label).item() > 1.3  # logits as a whole would be drawn to it


def test_temperature_makes_the_cross_entropy_smallest():
    g = torch.Generator().manual_seed(1)
    logits = torch.randn(300, 1, generator=g) * 3
    label = (torch.rand(300, 1, generator=g) < torch.sigmoid(logits / 2)).float()
    best = fit_temperature(logits, label)

    def loss(temperature):
        return torch.nn.functional.binary_cross_entropy_with_logits(logits / temperature, label)

    assert loss(best) <= min(loss(best * 1.02), loss(best * 0.98))


def test_threshold_is_reached_by_the_share_asked_for_and_by_equal_scores():
    score = torch.tensor([[0.1, 0.1, 0.5], [0.9, 0.5, 0.5], [0.2, 0.9, 0.5], [0.3, 0.9, 0.5]])
    torch.testing.assert_close(fit_threshold(score, 0.25), torch.tensor([0.9, 0.9, 0.5]))
    torch.testing.assert_close(fit_threshold(score, 0.5), torch.tensor([0.3, 0.9, 0.5]))


def test_threshold_tells_apart_what_the_scorer_tells_apart():
    # all but three scores are equal: a threshold there would make every token high
    score = torch.full((1000, 1), 0.5)
    score[[3, 500, 999]] = torch.tensor([[0.6], [0.7], [0.8]])
    limit = fit_threshold(score, 0.01)
    assert limit.item() == pytest.approx(0.6)


def test_label_with_one_class_and_silent_logits_keep_temperature_one():
    logits = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    label = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(logits, label).tolist() == [1.0, 1.0]
    at_centre = torch.tensor([[1.0, 7.0], [2.0, 7.0]])
    assert fit_temperature(at_centre, label, centre=torch.tensor([0.0, 7.0])).tolist() == [1.0, 1.0]


def test_threshold_is_reached_by_the_share_of_tokens():
    score = torch.stack([torch.arange(1.0, 101.0), torch.arange(100.0, 0.0, -1.0) * 2], dim=1)
    threshold = fit_threshold(score, 0.25)
    assert (score >= threshold).float().mean(dim=0).tolist() == pytest.approx([0.25, 0.25])


def test_threshold_of_a_tiny_share_is_the_largest_score():
    assert fit_threshold(torch.tensor([[0.5], [0.9], [0.7]]), 0.01).tolist() == pytest.approx([0.9])
