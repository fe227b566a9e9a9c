"""Few tokens for many: means of neighbours, real ones only."""

import torch

from medpatch.feature.shorten import shorten


def test_a_short_stay_keeps_its_tokens_and_a_long_one_gets_means_of_neighbours():
    tokens = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0], [7.0, 99.0, 9.0, 99.0, 99.0]]).unsqueeze(-1)
    mask = torch.tensor([[True] * 5, [True, False, True, False, False]])
    few, real = shorten(tokens, mask, at_most=2)
    # five in two runs: token i goes to floor(2 i / 5) = 0, 0, 0, 1, 1
    assert few.squeeze(-1).tolist() == [[2.0, 4.5], [7.0, 9.0]]
    assert real.tolist() == [[True, True], [True, True]]


def test_a_stay_without_a_token_stays_without():
    few, real = shorten(torch.ones(2, 3, 4), torch.tensor([[True] * 3, [False] * 3]), at_most=2)
    assert real.tolist() == [[True, True], [False, False]]
    assert few[1].abs().sum() == 0


def test_every_run_holds_a_token_when_there_are_more_tokens_than_runs():
    for length in range(1, 30):
        tokens = torch.arange(float(length)).view(1, length, 1)
        few, real = shorten(tokens, torch.ones(1, length, dtype=torch.bool), at_most=7)
        assert real.sum() == min(length, 7)
        assert few.flatten().diff().gt(0).all()
