"""Temperatures and thresholds of stage 2b: from which stays, about what, per position or not."""

from dataclasses import replace

import pytest
import torch

from medpatch.config.model import Score
from medpatch.config.name import Modality
from medpatch.data.held_out import split_val
from medpatch.feature.ragged import Ragged
from medpatch.model.confidence import TokenScorer
from medpatch.train import stage_confidence
from medpatch.train.stage_confidence import calibrate
from medpatch.train.threshold import FEWEST_TOKENS
from medpatch.train.token_logit import TokenPart
from train.cohort import make_config, with_model
from train.stages import encode, train_confidence, train_unimodal


def part(score_of_place: list[float], stays: int) -> TokenPart:
    """Stays of as many tokens as there are numbers; the first column of a token is its number."""
    length = len(score_of_place)
    row = torch.tensor(score_of_place).repeat(stays)[:, None]
    return TokenPart(
        Ragged(row, torch.arange(stays + 1) * length), (torch.arange(stays) % 2).float()[:, None], torch.arange(stays)
    )


def scorer_of(positions: int = 0) -> TokenScorer:
    scorer = TokenScorer(1, (0.5,), score=Score.CONFIDENCE, threshold=0.75, positions=positions)
    scorer.predictor.weight.data.fill_(1.0)
    return scorer


def calibrated(
    config, scorer: TokenScorer, train: TokenPart, val: TokenPart, *, selection=None, held_out=None
) -> TokenScorer:
    """The scorer after stage 2b; each half of val is all of it unless told otherwise."""
    everyone = torch.arange(len(val.label))
    calibrate(
        scorer,
        train,
        val=val,
        selection=everyone if selection is None else selection,
        held_out=everyone if held_out is None else held_out,
        config=config,
        name="made up",
        device=torch.device("cpu"),
    )
    return scorer


def joined(one: TokenPart, other: TokenPart) -> tuple[TokenPart, torch.Tensor, torch.Tensor]:
    """The stays of both, shuffled, and where those of each are."""
    places = torch.randperm(len(one.label) + len(other.label), generator=torch.Generator().manual_seed(7))
    row, label = [], []
    for place in places:
        source, stay = (one, int(place)) if place < len(one.label) else (other, int(place) - len(one.label))
        row.append(source.tokens.flat(torch.tensor([stay]))[0])
        label.append(source.label[stay])
    length = torch.tensor([len(r) for r in row])
    start = torch.cat([torch.zeros(1, dtype=torch.int64), length.cumsum(0)])
    whole = TokenPart(Ragged(torch.cat(row), start), torch.stack(label), torch.arange(len(row)))
    is_one = places < len(one.label)
    return whole, is_one.nonzero().squeeze(1), (~is_one).nonzero().squeeze(1)


def test_each_position_is_calibrated_on_its_own_tokens(made_up):
    config = with_model(made_up.config, fusion={"temperature_positions": 2})
    g = torch.Generator().manual_seed(0)
    stays = 20 * FEWEST_TOKENS
    val = part([0.0, 0.0], stays)
    truth = torch.randn(stays, generator=g) * 2
    label = (torch.rand(stays, generator=g) < torch.sigmoid(truth)).float()[:, None]
    row = torch.stack([truth, truth * 4], dim=1).reshape(-1, 1)  # the second token of a stay is four times too sure
    val = replace(val, tokens=Ragged(row, val.tokens.start), label=label)
    scorer = calibrated(config, scorer_of(positions=2), val, val)
    torch.testing.assert_close(scorer.temperature, torch.tensor([[1.0], [4.0]]), rtol=0.2, atol=0)


@pytest.mark.parametrize("positions", [0, 2])
def test_a_score_against_the_prevalence_is_calibrated_about_it(made_up, positions):
    config = with_model(made_up.config, fusion={"temperature_positions": positions})
    scorer = TokenScorer(1, (0.12,), score=Score.PRIOR_SHIFTED, threshold=0.75, positions=positions)
    scorer.predictor.weight.data.fill_(1.0)
    g = torch.Generator().manual_seed(0)
    stays = 40 * FEWEST_TOKENS
    val = part([0.0, 0.0], stays)
    evidence = torch.randn(stays, generator=g) * 2
    label = (torch.rand(stays, generator=g) < torch.sigmoid(evidence + scorer.prior_logit)).float()[:, None]
    row = torch.stack([evidence, evidence], dim=1).reshape(-1, 1) * 3
    val = replace(val, tokens=Ragged(row, val.tokens.start), label=label)
    found = calibrated(config, scorer, val, val).temperature
    torch.testing.assert_close(found, torch.full_like(found, 3.0), rtol=0.2, atol=0)


@pytest.mark.parametrize(("is_chosen", "share"), [(False, 0.5), (True, 0.1)])
def test_share_of_high_tokens_is_the_configured_one_or_the_one_that_tells_the_label(made_up, is_chosen, share):
    config = with_model(made_up.config, fusion={"high_share": 0.5, "is_share_chosen": is_chosen})
    g = torch.Generator().manual_seed(0)
    places = torch.linspace(0.1, 0.9, 40)
    stays = 60
    train = part(places.tolist(), stays)
    sign = torch.randint(0, 2, (stays, 40), generator=g) * 2 - 1.0
    sign[:, -4:] = train.label * 2 - 1  # the four surest tokens of each stay tell the label
    train = replace(train, tokens=Ragged((places * sign).reshape(-1, 1), train.tokens.start))
    scorer = calibrated(config, scorer_of(), train, train)
    confidence = scorer(train.tokens.row.unsqueeze(0))
    assert (confidence >= scorer.threshold).float().mean().item() == pytest.approx(share, abs=0.01)


def too_sure(times: float, seed: int) -> TokenPart:
    """Stays of two tokens, both so many times too sure of the label."""
    g = torch.Generator().manual_seed(seed)
    stays = 20 * FEWEST_TOKENS
    truth = torch.randn(stays, generator=g) * 2
    label = (torch.rand(stays, generator=g) < torch.sigmoid(truth)).float()[:, None]
    shape = part([0.0, 0.0], stays)
    return replace(shape, tokens=Ragged(truth.repeat_interleave(2)[:, None] * times, shape.tokens.start), label=label)


@pytest.mark.parametrize("positions", [0, 2])
@pytest.mark.parametrize(("kept", "expected"), [("one", 1.0), ("other", 4.0)])
def test_temperature_is_that_of_the_held_out_half(made_up, positions, kept, expected):
    config = with_model(made_up.config, fusion={"temperature_positions": positions, "is_share_chosen": True})
    val, one, other = joined(too_sure(1.0, seed=0), too_sure(4.0, seed=1))
    selection, held_out = (other, one) if kept == "one" else (one, other)
    found = calibrated(config, scorer_of(positions), val, val, selection=selection, held_out=held_out).temperature
    torch.testing.assert_close(found, torch.full_like(found, expected), rtol=0.2, atol=0)


def telling(share: float, stays: int = 60) -> TokenPart:
    """Stays of forty tokens; this share of them, the surest ones, tells the label, the others tell the opposite."""
    places = torch.linspace(0.1, 0.9, 40)
    told = part(places.tolist(), stays)
    sign = (1 - told.label * 2).repeat(1, 40)
    sign[:, -round(40 * share) :] *= -1
    return replace(told, tokens=Ragged((places * sign).reshape(-1, 1), told.tokens.start))


@pytest.mark.parametrize(("chooser", "share"), [("few", 0.1), ("many", 0.75)])
def test_share_of_high_tokens_is_the_one_that_tells_the_label_on_the_selection_half(made_up, chooser, share):
    config = with_model(made_up.config, fusion={"is_share_chosen": True})
    val, few, many = joined(telling(0.1), telling(0.75))
    selection, held_out = (few, many) if chooser == "few" else (many, few)
    train = telling(0.25)
    scorer = calibrated(config, scorer_of(), train, val, selection=selection, held_out=held_out)
    confidence = scorer(train.tokens.row.unsqueeze(0))
    assert (confidence >= scorer.threshold).float().mean().item() == pytest.approx(share, abs=0.01)


def test_each_half_of_val_is_read_for_its_own_purpose(made_up, tmp_path, monkeypatch):
    seen = {}

    def fit(*args, val_batches, before=stage_confidence.fit, **more):
        seen["epoch"] = torch.cat(list(val_batches()))
        return before(*args, val_batches=val_batches, **more)

    def calibrate(*args, before=stage_confidence.calibrate, **more):
        seen.update(selection=more["selection"], held_out=more["held_out"], subject_id=more["val"].subject_id)
        return before(*args, **more)

    def report(scorer, held, before=stage_confidence.report_tokens, **more):
        seen.update(report=len(held.owner.unique()), stays=more["stays"])
        return before(scorer, held, **more)

    made_up.config = make_config(calibration_share=0.25)
    for name, spy in (("fit", fit), ("calibrate", calibrate), ("report_tokens", report)):
        monkeypatch.setattr(stage_confidence, name, spy)
    train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    encode(made_up, Modality.EHR, tmp_path / "f", tmp_path / "u")
    train_confidence(made_up, Modality.EHR, tmp_path / "c", tmp_path / "f")
    expected = split_val(seen["subject_id"].numpy(), made_up.config)
    assert len(expected.selection) > len(expected.held_out) > 0
    assert sorted(seen["epoch"].tolist()) == sorted(expected.selection.tolist())
    assert seen["selection"].tolist() == expected.selection.tolist()
    assert seen["held_out"].tolist() == expected.held_out.tolist()
    assert seen["report"] == seen["stays"] == len(expected.held_out)


def test_without_a_share_the_threshold_stays_as_configured(made_up):
    config = with_model(made_up.config, fusion={"high_share": None, "is_share_chosen": True})
    train = part([0.1, 0.2], 10)
    assert calibrated(config, scorer_of(), train, train).threshold.item() == 0.75
