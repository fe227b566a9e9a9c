"""Token confidence and its variants, with numbers worked out by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medpatch.config.model import Score
from medpatch.model.confidence import TokenScorer, score_against, token_confidence

LN3 = math.log(3.0)


def test_confidence_is_the_probability_of_the_likelier_answer():
    logits = torch.tensor([[[LN3, -LN3, 0.0]]])
    torch.testing.assert_close(token_confidence(logits, 1.0), torch.tensor([[[0.75, 0.75, 0.5]]]))


def test_temperature_divides_the_logits_per_label():
    logits = torch.tensor([[[2 * LN3, 2 * LN3]]])
    confidence = token_confidence(logits, torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(confidence, torch.tensor([[[0.75, 0.9]]]))


def test_temperature_per_position_uses_as_many_rows_as_there_are_tokens():
    logits = torch.full((1, 2, 1), 2 * LN3)
    confidence = token_confidence(logits, torch.tensor([[2.0], [1.0], [5.0]]))
    torch.testing.assert_close(confidence.flatten(), torch.tensor([0.75, 0.9]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.0, torch.zeros(2), torch.zeros(3, 2)], ids=["number", "label", "both"])
def test_coldest_temperature_makes_every_token_sure_but_one_that_says_nothing(dtype, temperature):
    logits = torch.tensor([[[1.0, -1.0], [0.0, 0.0], [9.0, -9.0]]], dtype=dtype)
    confidence = token_confidence(logits, temperature)
    torch.testing.assert_close(confidence, torch.tensor([[[1.0, 1.0], [0.5, 0.5], [1.0, 1.0]]]))


def test_temperature_may_have_an_axis_of_stays():
    logits = torch.full((2, 3, 2), 2 * LN3)
    temperature = torch.tensor([2.0, 1.0]).view(2, 1, 1).expand(2, 3, 2)
    confidence = token_confidence(logits, temperature)
    torch.testing.assert_close(confidence, torch.tensor([0.75, 0.9]).view(2, 1, 1).expand(2, 3, 2))
    torch.testing.assert_close(token_confidence(logits, temperature[:1]), confidence[:1].expand(2, 3, 2))


@pytest.mark.parametrize("shape", [(3,), (3, 2), (2, 4, 2), (1, 1, 4, 2), (1, 4, 3)])
def test_temperature_that_fits_nothing_is_refused(shape):
    with pytest.raises(ValueError, match="do not fit"):
        token_confidence(torch.zeros(1, 4, 2), torch.ones(shape))


def test_logits_without_an_axis_of_labels_are_refused():
    with pytest.raises(ValueError, match="K is 1"):
        token_confidence(torch.zeros(3, 4), 1.0)


def test_silent_token_scores_one_half_against_the_base_rate_but_looks_sure_as_published():
    prior = torch.logit(torch.tensor([0.12]))
    silent = prior.expand(1, 1, 1)
    assert score_against(Score.PRIOR_SHIFTED, prior)(silent).item() == pytest.approx(0.5)
    assert score_against(Score.CONFIDENCE, prior)(silent).item() == pytest.approx(0.88)


def test_shifted_score_of_three_quarters_means_threefold_odds_in_either_direction():
    prior = torch.logit(torch.tensor([0.12]))
    both = (prior + torch.tensor([LN3, -LN3])).reshape(1, 2, 1)
    torch.testing.assert_close(score_against(Score.PRIOR_SHIFTED, prior)(both), torch.full((1, 2, 1), 0.75))


def test_certainty_is_zero_for_a_coin_flip_and_near_one_for_a_sure_answer():
    score = score_against(Score.ENTROPY, torch.zeros(1))
    values = score(torch.tensor([0.0, 30.0, -30.0]))
    torch.testing.assert_close(values, torch.tensor([0.0, 1.0, 1.0]), atol=1e-6, rtol=0)


def test_published_entropy_is_in_nats_and_large_where_the_model_is_unsure():
    score = score_against(Score.ENTROPY, torch.zeros(1), in_nats=True)
    torch.testing.assert_close(score(torch.tensor([0.0])), torch.tensor([math.log(2.0)]))


def test_scorer_without_temperature_ignores_it():
    scorer = TokenScorer(4, (0.2, 0.3), score=Score.CONFIDENCE, threshold=0.75, use_temperature=False)
    tokens = torch.randn(1, 3, 4)
    before = scorer(tokens)
    scorer.temperature.fill_(7.0)
    torch.testing.assert_close(scorer(tokens), before)


@pytest.mark.parametrize(("score", "silent"), [(Score.PRIOR_SHIFTED, 0.5), (Score.INFORMATION, 0.0)])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.6])
def test_silent_token_stays_silent_at_any_temperature(score, silent, temperature):
    scorer = TokenScorer(4, (0.12, 0.3), score=score, threshold=0.75)  # untrained: every token says the prevalence
    scorer.temperature.fill_(temperature)
    torch.testing.assert_close(scorer(torch.randn(1, 3, 4)), torch.full((1, 3, 2), silent))


def test_temperature_divides_the_evidence_of_a_shifted_score_and_the_whole_logit_of_the_published_one():
    prior = torch.logit(torch.tensor(0.12))
    logits = torch.full((1, 1, 1), prior.item() + 2 * LN3)
    for score, scaled in ((Score.PRIOR_SHIFTED, prior + LN3), (Score.CONFIDENCE, (prior + 2 * LN3) / 2)):
        scorer = TokenScorer(1, (0.12,), score=score, threshold=0.75)
        scorer.temperature.fill_(2.0)
        assert scorer.scaled(logits).item() == pytest.approx(scaled.item(), abs=1e-6)


def test_information_is_zero_at_the_prior_and_one_for_certainty_of_the_rarer_answer():
    prior = torch.logit(torch.tensor([0.12]))
    values = score_against(Score.INFORMATION, prior)(torch.stack([prior, torch.tensor([60.0]), torch.tensor([-60.0])]))
    # certainty of the commoner answer: -ln 0.88 / -ln 0.12
    torch.testing.assert_close(values.flatten(), torch.tensor([0.0, 1.0, 0.127833 / 2.120264]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("score", list(Score))
@settings(deadline=None, max_examples=30)
@given(prior=st.floats(0.01, 0.99), steps=st.lists(st.floats(0.01, 5), min_size=2, max_size=8), up=st.booleans())
def test_every_score_lies_between_zero_and_one_and_never_falls_on_the_way_to_certainty(score, prior, steps, up):
    prior_logit = torch.logit(torch.tensor([prior]))
    start = prior_logit if score in (Score.PRIOR_SHIFTED, Score.INFORMATION) else torch.zeros(1)
    way = torch.tensor([0.0, *steps]).cumsum(0) * (1 if up else -1) + start
    values = score_against(score, prior_logit)(way.unsqueeze(1)).flatten()
    assert ((values >= 0) & (values <= 1)).all()
    assert (values.diff() >= -1e-6).all()
    assert values[-1] > values[0]


def test_temperature_per_position_follows_the_place_among_real_tokens_and_the_last_one_serves_the_rest():
    scorer = TokenScorer(1, (0.5,), score=Score.CONFIDENCE, threshold=0.75, positions=3)
    scorer.predictor.weight.data.fill_(1.0)
    scorer.temperature.copy_(torch.tensor([[1.0], [2.0], [1.0]]))
    tokens = torch.full((1, 4, 1), 2 * LN3)
    mask = torch.tensor([[True, False, True, True]])  # places 0, -, 1, 2
    found = scorer(tokens, mask)[0, :, 0]
    torch.testing.assert_close(found[mask[0]], torch.tensor([0.9, 0.75, 0.9]))
    torch.testing.assert_close(scorer(tokens)[0, :, 0], torch.tensor([0.9, 0.75, 0.9, 0.9]))


@pytest.mark.parametrize("hidden", [0, 8])
def test_an_untrained_scorer_says_the_prevalence_of_every_token(hidden):
    scorer = TokenScorer(4, (0.2, 0.3), score=Score.CONFIDENCE, threshold=0.75, hidden_width=hidden)
    told = torch.sigmoid(scorer.predictor(torch.randn(2, 3, 4)))
    torch.testing.assert_close(told, torch.tensor([0.2, 0.3]).expand(2, 3, 2))


def test_a_hidden_layer_singles_out_a_token_that_no_straight_cut_does():
    corner = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    label = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    found = {}
    for hidden in (0, 16):
        torch.manual_seed(0)
        predictor = TokenScorer(2, (0.5,), score=Score.CONFIDENCE, threshold=0.75, hidden_width=hidden).predictor
        optimizer = torch.optim.AdamW(predictor.parameters(), lr=0.05)
        for _ in range(200):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(predictor(corner), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found[hidden] = loss.item()
    assert found[16] < 0.05
    assert found[0] > 0.69  # ln 2: nothing learned
