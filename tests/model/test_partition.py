"""Pooling by confidence, with numbers worked out by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medpatch.model.partition import count_and_pool, pool_by_confidence
from model.factory import LargestTensor

TOKENS = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [5.0, 4.0], [100.0, 100.0]]])  # (1, 4, 2)
CONFIDENCE = torch.tensor([[[0.9, 0.6], [0.8, 0.7], [0.6, 0.9], [1.0, 1.0]]])  # (1, 4, 2)
MASK = torch.tensor([[True, True, True, False]])


def test_each_label_has_its_own_groups():
    high, low, high_confidence, low_confidence = pool_by_confidence(TOKENS, CONFIDENCE, MASK, 0.75)
    # label 0: tokens 0 and 1 are high; label 1: token 2 alone
    torch.testing.assert_close(high, torch.tensor([[[2.0, 1.0], [5.0, 4.0]]]))
    torch.testing.assert_close(low, torch.tensor([[[5.0, 4.0], [2.0, 1.0]]]))
    torch.testing.assert_close(high_confidence, torch.tensor([[0.85, 0.9]]))
    torch.testing.assert_close(low_confidence, torch.tensor([[0.6, 0.65]]))


def test_token_at_the_threshold_is_high():
    pools = pool_by_confidence(TOKENS, CONFIDENCE, MASK, 0.9)
    torch.testing.assert_close(pools.high[0, 0], TOKENS[0, 0])


def test_threshold_may_differ_by_label():
    pools = pool_by_confidence(TOKENS, CONFIDENCE, MASK, torch.tensor([0.85, 0.65]))
    torch.testing.assert_close(pools.high, torch.tensor([[[1.0, 0.0], [4.0, 3.0]]]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "threshold",
    [0.9, [0.9, 0.9], torch.full((2,), 0.9, dtype=torch.float64).numpy(), torch.full((2,), 0.9, dtype=torch.float64)],
    ids=["number", "list", "array", "tensor"],
)
def test_score_written_as_the_threshold_is_high_in_every_type(dtype, threshold):
    scores = torch.full((1, 4, 2), 0.5, dtype=dtype)
    scores[0, 0] = 0.9
    pools = pool_by_confidence(TOKENS, scores, MASK, threshold)
    torch.testing.assert_close(pools.high.float(), TOKENS[:, :1].expand(1, 2, 2))


def test_threshold_may_differ_by_position_and_label():
    threshold = torch.tensor([[0.95, 0.5], [0.8, 0.8], [0.5, 0.95], [0.0, 0.0]])  # (4, 2)
    pools = pool_by_confidence(TOKENS, CONFIDENCE, MASK, threshold)
    torch.testing.assert_close(pools.high, torch.tensor([[[4.0, 3.0], [1.0, 0.0]]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_mask_of_ones_and_zeros_is_a_mask(dtype):
    expected = pool_by_confidence(TOKENS, CONFIDENCE, MASK, 0.75)
    for part, wanted in zip(pool_by_confidence(TOKENS, CONFIDENCE, MASK.to(dtype), 0.75), expected, strict=True):
        torch.testing.assert_close(part, wanted)


def test_confidence_without_an_axis_of_labels_is_refused():
    with pytest.raises(ValueError, match=r"as \(B, N, D\), \(B, N, K\)"):
        pool_by_confidence(TOKENS, CONFIDENCE[..., 0], MASK, 0.75)


def test_stay_without_tokens_has_empty_groups():
    pools = pool_by_confidence(TOKENS, CONFIDENCE, torch.zeros_like(MASK), 0.75)
    assert all(part.eq(0).all() for part in pools)


def test_padding_of_any_content_is_in_no_group():
    rubbish = TOKENS.clone()
    rubbish[0, 3] = float("nan")
    scores = CONFIDENCE.clone()
    scores[0, 3] = float("nan")
    expected = pool_by_confidence(TOKENS[:, :3], CONFIDENCE[:, :3], MASK[:, :3], 0.75)
    for part, wanted in zip(pool_by_confidence(rubbish, scores, MASK, 0.75), expected, strict=True):
        torch.testing.assert_close(part, wanted)


def test_disagreeing_shapes_are_refused():
    with pytest.raises(ValueError, match=r"must agree on \(B, N\)"):
        pool_by_confidence(TOKENS, CONFIDENCE[:, :2], MASK, 0.75)


@pytest.mark.parametrize("rubbish", [float("inf"), -float("inf"), float("nan"), 1e30])
def test_no_gradient_reaches_padding_and_none_is_lost_on_real_tokens(rubbish):
    tokens = TOKENS.clone()
    tokens[0, 3] = rubbish
    tokens.requires_grad_()
    pools = pool_by_confidence(tokens, CONFIDENCE, MASK, 0.75)
    (pools.high.sum() + pools.low.sum()).backward()
    # label 0: two high, one low; label 1: one high, two low
    torch.testing.assert_close(tokens.grad[0, :, 0], torch.tensor([1.0, 1.0, 2.0, 0.0]))


def test_half_precision_tokens_are_summed_in_single_precision_even_under_autocast():
    g = torch.Generator().manual_seed(0)
    tokens = (100 + torch.randn(1, 500, 3, generator=g)).bfloat16()
    confidence = torch.full((1, 500, 1), 0.9)
    confidence[0, 0] = 0.5
    mask = torch.ones(1, 500, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        pools = pool_by_confidence(tokens, confidence, mask, 0.75)
    torch.testing.assert_close(pools.low[0, 0], tokens[0, 0].float(), atol=0, rtol=0)
    torch.testing.assert_close(pools.high[0, 0], tokens[0, 1:].float().mean(dim=0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("few", [0.9, 0.5], ids=["one high token", "one low token"])
def test_a_group_of_one_token_among_many_is_that_token_to_the_last_digits(few):
    g = torch.Generator().manual_seed(0)
    tokens = 10.0 + torch.randn(2, 577, 8, generator=g)
    confidence = torch.full((2, 577, 1), 1.4 - few)
    confidence[:, 300] = few
    pools = pool_by_confidence(tokens, confidence, torch.ones(2, 577, dtype=torch.bool), 0.75)
    alone, score = (pools.high, pools.high_confidence) if few > 0.75 else (pools.low, pools.low_confidence)
    rest = pools.low if few > 0.75 else pools.high
    torch.testing.assert_close(alone[:, 0], tokens[:, 300], rtol=1e-6, atol=0.0)
    torch.testing.assert_close(score, torch.full((2, 1), few), rtol=1e-6, atol=0.0)
    others = torch.cat([tokens[:, :300], tokens[:, 301:]], dim=1).double().mean(dim=1)
    torch.testing.assert_close(rest[:, 0].double(), others, rtol=1e-6, atol=0.0)


def test_a_real_token_that_is_not_finite_spoils_its_own_stay_and_fills_no_empty_group():
    tokens = TOKENS.repeat(2, 1, 1)
    tokens[0, 0] = float("nan")
    pools = pool_by_confidence(tokens, CONFIDENCE.expand(2, -1, -1), MASK.expand(2, -1), torch.tensor([0.75, 0.5]))
    expected = pool_by_confidence(TOKENS, CONFIDENCE, MASK, torch.tensor([0.75, 0.5]))
    torch.testing.assert_close(pools.high[1:], expected.high)
    torch.testing.assert_close(pools.low[1:], expected.low)
    assert pools.high[0].isnan().all()
    assert pools.low[0, 1].eq(0).all()  # every token is high for the second label


def test_counts_come_with_the_pools():
    found = count_and_pool(TOKENS, CONFIDENCE, token_mask=MASK, threshold=0.75)
    assert found.high_count.tolist() == [[2, 1]]
    assert found.token_count.tolist() == [[3]]


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 6), st.sampled_from([1, 2, 25]), st.integers(1, 4)),
    threshold=st.sampled_from([0.5, 0.6, 0.75, 0.8, 1.0]),
    seed=st.integers(0, 2**31),
)
def test_pools_equal_a_loop_over_tokens(shape, threshold, seed):
    stays, count, labels, width = shape
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randn(stays, count, width, generator=g, dtype=torch.float64)
    # tenths and quarters, so that many tokens lie on the threshold
    confidence = torch.randint(10, 21, (stays, count, labels), generator=g).double() / 20
    mask = torch.rand(stays, count, generator=g) < 0.7
    pools = pool_by_confidence(tokens, confidence, mask, threshold)
    for b in range(stays):
        for k in range(labels):
            for part, keep in ((pools.high, True), (pools.low, False)):
                chosen = [
                    tokens[b, n] for n in range(count) if mask[b, n] and bool(confidence[b, n, k] >= threshold) == keep
                ]
                expected = torch.stack(chosen).mean(0) if chosen else torch.zeros(width, dtype=torch.float64)
                torch.testing.assert_close(part[b, k], expected)


def test_nothing_of_size_stays_by_tokens_by_labels_by_width_is_made():
    stays, count, labels, width = 2, 64, 25, 128
    tokens, scores = torch.randn(stays, count, width), torch.rand(stays, count, labels)
    with LargestTensor() as largest:
        pool_by_confidence(tokens, scores, torch.ones(stays, count, dtype=torch.bool), 0.5)
    assert largest.numel <= max(tokens.numel(), scores.numel(), stays * labels * width)
