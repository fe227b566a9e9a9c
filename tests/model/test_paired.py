"""One projection for both groups: the short way gives what the long way gives, and so do its gradients."""

import pytest
import torch
from torch import Tensor, nn

from medpatch.config.model import Compat, Fuser
from medpatch.model.feature import ModalityFeature
from medpatch.model.paired import paired_evidence
from model.factory import make_config, make_medpatch

STAYS, TOKENS, LABELS, RAW, WIDTH = 6, 9, 5, 7, 12


def pools(is_encoded: list[bool]) -> ModalityFeature:
    """Both groups of random tokens; the first stay has no high token, the second no low one."""
    g = torch.Generator().manual_seed(0)
    tokens = torch.randn(STAYS, TOKENS, RAW, generator=g, dtype=torch.float64) + 1
    chance = torch.rand(STAYS, 1, LABELS, generator=g)
    high = torch.rand(STAYS, TOKENS, LABELS, generator=g) < chance
    high[0], high[1] = False, True
    here = torch.tensor(is_encoded)
    high, low = (high & here[:, None, None]).double(), (~high & here[:, None, None]).double()
    means = [torch.einsum("bnk,bnd->bkd", w, tokens) / w.sum(1).clamp_min(1).unsqueeze(-1) for w in (high, low)]
    nothing = torch.zeros(STAYS, LABELS)
    return ModalityFeature(tokens.mean(1), *means, nothing, nothing, high.sum(1) / TOKENS, here)


@pytest.mark.parametrize(
    "is_encoded", [[True] * 6, [True, True, True, True, False, True], [False, True, False, False, True, False]]
)
def test_short_way_gives_the_values_and_gradients_of_projecting_both_groups(is_encoded):
    torch.manual_seed(0)
    feature = pools(is_encoded)
    projection = nn.Linear(RAW, WIDTH).double()
    norms = tuple(nn.LayerNorm(WIDTH).double() for _ in range(2))
    for norm in norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    weights = tuple(nn.Parameter(torch.randn(LABELS, WIDTH).double()) for _ in range(2))
    short = paired_evidence(projection, feature, norms=norms, weights=weights)
    long = [
        (norm(projection(pool)) * weight).sum(dim=-1)
        for norm, weight, pool in zip(norms, weights, (feature.high, feature.low), strict=True)
    ]
    trained = [*projection.parameters(), *weights, *(p for norm in norms for p in norm.parameters())]
    has = (feature.has_high, feature.has_low)
    assert all(group.any() for group in has)

    def gradients(told: list[Tensor]) -> tuple[Tensor, ...]:
        whole = sum(
            (torch.where(group, one, 0.0) * one.detach().sin()).sum() for one, group in zip(told, has, strict=True)
        )
        return torch.autograd.grad(whole, trained)

    for mine, theirs, group in zip((short.high, short.low), long, has, strict=True):
        torch.testing.assert_close(mine[group], theirs[group], atol=1e-10, rtol=1e-10)
    for mine, theirs in zip(gradients([short.high, short.low]), gradients(long), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    ("fields", "is_shared"),
    [
        ({}, True),
        ({"shares_projection": False}, False),
        ({"fuser": Fuser.LSTM}, False),
        ({"compat": Compat.PUBLISHED, "score": "confidence", "high_share": None}, False),
    ],
)
def test_only_the_repaired_joint_without_a_fuser_shares_a_projection(fields, is_shared):
    branches = make_medpatch(make_config(**fields)).fusion.branch.values()
    assert [branch.low_projection is None for branch in branches] == [is_shared] * 4
