"""Thresholds chosen on val and temperatures per position."""

import pytest
import torch

from medpatch.train.calibrate import fit_temperature, fit_threshold
from medpatch.train.threshold import FEWEST_TOKENS, choose_threshold, fit_position_temperature


def made_up(seed: int, share_that_tells: float) -> tuple[torch.Tensor, ...]:
    """Stays of 40 tokens; only the tokens that score highest tell the label, all others lie at random."""
    g = torch.Generator().manual_seed(seed)
    stays, tokens = 60, 40
    label = (torch.arange(stays) % 2).float()[:, None]
    score = torch.linspace(0, 1, tokens).repeat(stays, 1)
    tells = score >= 1 - share_that_tells
    logits = torch.where(tells, 0.3 * (label * 2 - 1), 3.0 * torch.randn(stays, tokens, generator=g))
    owner = torch.arange(stays).repeat_interleave(tokens)
    return score.reshape(-1, 1), logits.reshape(-1, 1), owner, label


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_threshold_is_the_one_whose_high_tokens_tell_the_label(share):
    score, logits, owner, label = made_up(0, share)
    found = choose_threshold(score, val_score=score, val_logits=logits, owner=owner, label=label, default_share=0.5)
    torch.testing.assert_close(found, fit_threshold(score, share))


def test_each_label_has_its_own_threshold():
    few, many = made_up(0, 0.1), made_up(0, 0.25)
    score, logits, label = (torch.cat([a, b], dim=1) for a, b in ((few[i], many[i]) for i in (0, 1, 3)))
    found = choose_threshold(score, val_score=score, val_logits=logits, owner=few[2], label=label, default_share=0.5)
    assert found[0] > found[1]


def test_label_with_one_class_takes_the_default_share():
    score, logits, owner, label = made_up(0, 0.25)
    found = choose_threshold(
        score, val_score=score, val_logits=logits, owner=owner, label=torch.ones_like(label), default_share=0.4
    )
    torch.testing.assert_close(found, fit_threshold(score, 0.4))


def test_position_gets_the_temperature_of_its_own_tokens():
    g = torch.Generator().manual_seed(0)
    truth = torch.randn(20_000, 1, generator=g) * 2
    label = (torch.rand(truth.shape, generator=g) < torch.sigmoid(truth)).float()
    position = torch.arange(len(truth)) % 3
    stretch = torch.tensor([1.0, 3.0, 3.0])[position].unsqueeze(1)
    found = fit_position_temperature(truth * stretch, label, position=position, count=2)
    torch.testing.assert_close(found, torch.tensor([[1.0], [3.0]]), rtol=0.1, atol=0)


def test_position_with_few_tokens_takes_the_common_temperature():
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(400, 2, generator=g)
    label = (torch.rand(400, 2, generator=g) < 0.5).float()
    position = (torch.arange(400) >= 400 - FEWEST_TOKENS + 1).long()
    found = fit_position_temperature(logits, label, position=position, count=2)
    torch.testing.assert_close(found[1], fit_temperature(logits, label))
