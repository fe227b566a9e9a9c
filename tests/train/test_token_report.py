"""The report of held-out tokens uses the scorer's own temperature, score and threshold."""

import pytest
import torch

from medpatch.config.model import Score
from medpatch.config.name import Modality
from medpatch.model.confidence import TokenScorer
from medpatch.train.token_logit import TokenLogits
from medpatch.train.token_report import report_tokens

LOGITS = torch.logit(torch.tensor([[0.9], [0.9], [0.2], [0.4]]))
HELD = TokenLogits(
    logits=LOGITS,
    label=torch.tensor([[1.0], [0.0], [0.0], [1.0]]),
    owner=torch.tensor([0, 1, 1, 0]),
    position=torch.tensor([0, 0, 1, 1]),
)


def scorer(*, temperature: list, positions: int = 0, use_temperature: bool = True) -> TokenScorer:
    made = TokenScorer(
        3, [0.5], score=Score.CONFIDENCE, threshold=0.7, use_temperature=use_temperature, positions=positions
    )
    made.temperature.copy_(torch.tensor(temperature))
    return made


def reported(made: TokenScorer):
    (label,) = report_tokens(made, HELD, modality=Modality.CXR, stays=2, label_names=("x",)).labels
    return label


def test_high_tokens_are_those_that_reach_the_threshold() -> None:
    # confidences 0.9, 0.9, 0.8, 0.6 against 0.7
    found = reported(scorer(temperature=[1.0]))
    assert found.high_share == 0.75
    assert (found.high_share_positive, found.high_share_negative) == (0.5, 1.0)


def test_temperature_cools_before_the_threshold_is_asked() -> None:
    # logits of 0.9 and 0.8 divided by 2: 0.75 and 0.667
    found = reported(scorer(temperature=[2.0]))
    assert found.high_share == 0.5
    assert (found.temperature, found.nll_before > found.nll_after) == (2.0, True)


def test_every_position_has_its_own_temperature_and_the_mean_is_named() -> None:
    found = reported(scorer(temperature=[[1.0], [3.0]], positions=2))
    # first tokens keep 0.9, second tokens fall below 0.7
    assert found.high_share == 0.5
    assert found.temperature == pytest.approx(2.0)


def test_a_scorer_without_temperature_says_the_same_before_and_after() -> None:
    found = reported(scorer(temperature=[5.0], use_temperature=False))
    assert (found.ece_before, found.temperature) == (pytest.approx(found.ece_after), 1.0)


def test_decision_at_the_prevalence_is_that_of_the_scorer() -> None:
    made = TokenScorer(3, [0.3], score=Score.CONFIDENCE, threshold=0.7, use_temperature=False, positions=0)
    found = reported(made)
    # low: 0.4 of a positive, over 0.3 and below 0.5
    assert (found.accuracy_low_prior, found.accuracy_low) == (1.0, 0.0)
