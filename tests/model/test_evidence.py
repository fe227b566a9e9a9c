"""The fitted sum of heads: what its weights come to on data whose answer is known."""

import logging

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from medpatch.model.evidence import EvidenceSum, prior_logit

PRIOR = prior_logit(torch.tensor([0.25]))
EVERYONE = torch.ones(6000, 2, dtype=torch.bool)


@pytest.fixture
def evidence() -> tuple[Tensor, Tensor]:
    """Two independent signals' log-likelihood ratios (N, 2), and labels (N, 1) of prevalence 0.25."""
    generator = torch.Generator().manual_seed(0)
    label = (torch.rand(6000, 1, generator=generator) < 0.25).double()
    signal = torch.randn(6000, 2, generator=generator, dtype=torch.float64) + label
    return signal - 0.5, label  # of N(1, 1) against N(0, 1)


def _fitted(heads: Tensor, present: Tensor, label: Tensor, *, ridge: float) -> EvidenceSum:
    """Heads (N, H) that say the prior plus their evidence."""
    fitted = EvidenceSum(PRIOR.double(), heads.shape[1])
    fitted.fit((heads + PRIOR).unsqueeze(-1), present, label, ridge=ridge)
    return fitted


def test_before_it_is_fitted_it_adds_the_mean_evidence_to_the_prior() -> None:
    logits = torch.tensor([[[1.0], [3.0]]])
    found = EvidenceSum(PRIOR, 2)(logits, torch.tensor([[True, True]]))
    torch.testing.assert_close(found, torch.tensor([[2.0]]))
    one = EvidenceSum(PRIOR, 2)(logits, torch.tensor([[True, False]]))
    torch.testing.assert_close(one[0], PRIOR + (1.0 - PRIOR) / 2)


def test_nothing_known_is_the_prior_whatever_absent_heads_hold() -> None:
    logits = torch.full((1, 2, 1), float("nan"))
    torch.testing.assert_close(EvidenceSum(PRIOR, 2)(logits, torch.zeros(1, 2)), PRIOR.unsqueeze(0))


def test_independent_signals_are_added_and_not_averaged(evidence: tuple[Tensor, Tensor]) -> None:
    signal, label = evidence
    fitted = _fitted(signal, EVERYONE, label, ridge=10.0)
    torch.testing.assert_close(fitted.weight, torch.ones(2, 1), atol=0.1, rtol=0)
    torch.testing.assert_close(fitted.bias, PRIOR.double(), atol=0.1, rtol=0)


def test_signal_told_twice_counts_once(evidence: tuple[Tensor, Tensor]) -> None:
    signal, label = evidence
    fitted = _fitted(signal[:, [0, 0]], EVERYONE, label, ridge=10.0)
    torch.testing.assert_close(fitted.weight, torch.full((2, 1), 0.5), atol=0.1, rtol=0)


def test_head_that_is_wrong_is_silenced_and_never_turned_round(evidence: tuple[Tensor, Tensor]) -> None:
    signal, label = evidence
    wrong = torch.column_stack([signal[:, 0], -signal[:, 1]])
    assert _fitted(wrong, EVERYONE, label, ridge=10.0).weight[1] == 0.0


def test_free_weights_are_those_of_a_logistic_regression(evidence: tuple[Tensor, Tensor]) -> None:
    signal, label = evidence
    present = torch.rand(EVERYONE.shape, generator=torch.Generator().manual_seed(1)) < 0.7
    fitted = _fitted(signal, present, label, ridge=0.0)
    known = LogisticRegression(C=1e9, tol=1e-10).fit((signal * present).numpy(), label[:, 0].numpy())
    torch.testing.assert_close(fitted.weight[:, 0].double(), torch.from_numpy(known.coef_[0]), atol=1e-4, rtol=0)
    assert fitted.bias.item() == pytest.approx(known.intercept_[0], abs=1e-4)


def test_few_stays_leave_the_weights_near_their_start(evidence: tuple[Tensor, Tensor]) -> None:
    signal, label = evidence
    fitted = _fitted(signal[:20], EVERYONE[:20], label[:20], ridge=10.0)
    torch.testing.assert_close(fitted.weight, torch.full((2, 1), 0.5), atol=0.2, rtol=0)


def test_label_of_one_class_keeps_equal_weights_and_is_counted(
    evidence: tuple[Tensor, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    signal, label = evidence
    fitted = EvidenceSum(PRIOR.expand(2), 2)
    with caplog.at_level(logging.WARNING):
        fitted.fit(
            (signal + PRIOR).unsqueeze(-1).expand(-1, -1, 2), EVERYONE, torch.cat([label, torch.zeros_like(label)], 1)
        )
    assert fitted.weight[:, 1].tolist() == [0.5, 0.5]
    assert fitted.bias[1] == PRIOR[0]
    assert fitted.weight[0, 0] != 0.5
    assert "1 of 2 labels" in caplog.text


def test_left_out_stays_are_predicted_without_their_labels_but_for_the_common_offset() -> None:
    generator = torch.Generator().manual_seed(0)
    heads, fold = torch.randn(200, 3, 1, generator=generator), torch.arange(200) % 5
    present, label = torch.ones(200, 3), (torch.rand(200, 1, generator=generator) < 0.25).double()
    found = []
    for own in (label, torch.where(fold[:, None] == 0, 1 - label, label)):
        fitted = EvidenceSum(PRIOR, 3)
        fitted.fit(heads, present, own)
        found.append(fitted.out_of_fold(heads, present, own, fold=fold) - fitted.bias)
    torch.testing.assert_close(found[0][fold == 0], found[1][fold == 0])
    assert not torch.allclose(found[0][fold == 1], found[1][fold == 1])


def test_left_out_stays_do_not_praise_heads_that_know_nothing() -> None:
    def auroc(score: Tensor, label: Tensor) -> float:
        return float((score[label == 1][:, None] > score[label == 0]).float().mean())

    seen, left_out = [], []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        heads, present = torch.randn(100, 6, 1, generator=generator), torch.ones(100, 6)
        label = (torch.rand(100, 1, generator=generator) < 0.25).double()
        fitted = EvidenceSum(PRIOR, 6)
        fitted.fit(heads, present, label, ridge=1.0)
        own = fitted.out_of_fold(heads, present, label, fold=torch.arange(100) % 5, ridge=1.0)
        seen.append(auroc(fitted(heads, present)[:, 0], label[:, 0]))
        left_out.append(auroc(own[:, 0], label[:, 0]))
    assert sum(seen) / 20 > 0.56
    assert abs(sum(left_out) / 20 - 0.5) < 0.03
