"""DrFuse weighs the terms of its loss as its source does: sums over D, over modalities and over branches."""

import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from medpatch.config.name import Rival
from medpatch.model.baseline.drfuse import DrFuse, disagreement, overlap
from medpatch.model.baseline.ensemble import mean_of_models
from medpatch.model.baseline.objective import rival_loss
from medpatch.model.build_rival import build_rival
from medpatch.model.feature import RivalOutput
from model.factory import RAW_WIDTH, make_config, make_spec, make_stay_tokens

BOTH, ONE = torch.tensor([[True, True]]), torch.tensor([[True, False]])
HALF = torch.log(torch.tensor(2.0)).item()  # cross-entropy of a logit of 0


def test_attention_shares_sum_to_one_over_the_branches_that_are_there():
    drfuse = build_rival(Rival.DRFUSE, make_config(), spec=make_spec(), raw_width=RAW_WIDTH).eval()
    output = drfuse(make_stay_tokens(torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0]]).bool()))
    torch.testing.assert_close(output.attention[0].sum(dim=0), torch.ones(3))
    assert output.attention[0, [1, 3]].eq(0).all()
    assert output.attention[1].eq(0).all()


def test_disagreement_is_zero_for_equal_vectors_and_for_a_single_modality():
    same = torch.tensor([[[0.3, -1.0], [0.3, -1.0]]])
    assert disagreement(same, mean_of_models(same, BOTH), here=BOTH).abs() < 1e-6
    other = torch.tensor([[[3.0, -1.0], [-3.0, -1.0]]])
    assert disagreement(other, mean_of_models(other, ONE), here=ONE) == 0


def test_equal_vectors_do_not_disagree_in_half_precision_either(monkeypatch):
    drfuse = DrFuse(RAW_WIDTH, 512, label_count=3).eval()
    torch.nn.init.zeros_(drfuse.align[2].weight)  # every shared vector is the bias
    torch.nn.init.normal_(drfuse.align[2].bias, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("medpatch.model.baseline.drfuse.overlap", lambda *_, **__: 0.0)
    with torch.autocast("cpu", torch.bfloat16):
        output = drfuse(make_stay_tokens(torch.ones(4, 4, dtype=torch.bool)))
    assert abs(output.auxiliary_loss.item()) < 1e-5


def test_disagreement_is_summed_over_the_width():
    # p = 0.95257 and 0.04743 against 1/2: 0.95257 ln 1.90515 + 0.04743 ln 0.09485 = 0.50221, 0 for the second
    other = torch.tensor([[[3.0, -1.0], [-3.0, -1.0]]])
    assert disagreement(other, mean_of_models(other, BOTH), here=BOTH).item() == pytest.approx(0.50221, abs=1e-4)
    wide = other.repeat(1, 1, 64)
    assert disagreement(wide, mean_of_models(wide, BOTH), here=BOTH).item() == pytest.approx(64 * 0.50221, abs=1e-2)


def test_disagreement_is_the_mean_divergence_of_present_modalities_and_over_all_stays():
    shared = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    here = torch.tensor([[1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1]]).bool()
    expected = 0.0
    for vectors in (shared[0, here[0]], shared[2]):
        mean = Bernoulli(probs=torch.sigmoid(vectors).mean(dim=0).expand_as(vectors))
        expected += kl_divergence(Bernoulli(logits=vectors), mean).sum(dim=1).mean().item() / 3
    hidden = shared.masked_fill(~here.unsqueeze(-1), float("nan"))
    found = disagreement(hidden, mean_of_models(shared, here), here=here)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_overlap_is_the_absolute_cosine_summed_over_present_modalities_and_averaged_over_all_stays():
    a = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [3.0, 4.0]]])
    b = torch.tensor([[[-1.0, 0.0], [0.0, 5.0], [1.0, 0.0]]])  # |cosine| 1, 0 and 0.6
    assert overlap(a, b, here=torch.tensor([[True, True, True]])).item() == pytest.approx(1.6)
    assert overlap(a, b, here=torch.tensor([[False, True, True]])).item() == pytest.approx(0.6)
    two = overlap(a.repeat(2, 1, 1), b.repeat(2, 1, 1), here=torch.tensor([[True, True, True], [False] * 3]))
    assert two.item() == pytest.approx(0.8)


def test_loss_of_a_rival_adds_its_branches_and_the_pairs_that_attention_has_in_the_wrong_order():
    output = RivalOutput(
        logits=torch.zeros(1, 1),
        auxiliary_loss=torch.tensor(0.25),
        branch_logits=torch.tensor([[[0.0], [50.0], [float("nan")]]]),
        branch_mask=torch.tensor([[True, True, False]]),
        attention=torch.tensor([[[0.7], [0.3], [0.0]]]),
    )
    # branch losses ln 2 and 0, so the second should have the larger share, but has 0.4 less
    assert rival_loss(output, torch.ones(1, 1)).item() == pytest.approx(HALF + 0.25 + HALF + 0.4)


def test_loss_of_branches_is_a_mean_over_labels_and_all_stays_and_a_sum_over_branches():
    output = RivalOutput(
        logits=torch.full((2, 2), 50.0),
        branch_logits=torch.tensor([[[0.0, 50.0]] * 3, [[0.0, 0.0]] * 3]),
        branch_mask=torch.tensor([[True, True, True], [True, False, False]]),
    )
    # three branches with half of ln 2 each, then one with ln 2
    assert rival_loss(output, torch.ones(2, 2)).item() == pytest.approx((1.5 * HALF + HALF) / 2)
