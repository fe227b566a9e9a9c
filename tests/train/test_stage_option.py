"""Options of the encoders, of calibration and of thresholds reach the weights that a run leaves."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from medpatch.config.model import EhrKind, FusionConfig, Late, Score
from medpatch.config.name import Modality, Split
from medpatch.feature.ragged import Ragged
from medpatch.model.checkpoint import load_medpatch, load_unimodal
from medpatch.model.confidence import TokenScorer
from medpatch.model.encoder_ehr import EhrTransformer
from medpatch.model.late import weighted_late
from medpatch.train.stage_confidence import TokenPart, calibrate
from medpatch.train.step import unimodal_step
from medpatch.train.threshold import FEWEST_TOKENS
from train.cohort import make_config
from train.stages import train_all, train_unimodal


def with_model(config, *, encoder=None, fusion=None):
    model = config.model.model_copy(
        update={
            "encoder": config.model.encoder.model_copy(update=encoder or {}),
            "fusion": FusionConfig(**{**config.model.fusion.model_dump(), **(fusion or {})}),
        }
    )
    return config.model_copy(update={"model": model})


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


def calibrated(config, scorer: TokenScorer, train: TokenPart, val: TokenPart) -> TokenScorer:
    half = torch.arange(len(val.label))
    calibrate(
        scorer, train, val=val, selection=half, held_out=half, config=config, name="made up", device=torch.device("cpu")
    )
    return scorer


def test_transformer_positions_and_chosen_shares_run_through_all_stages(made_up, tmp_path):
    made_up.config = with_model(
        made_up.config,
        encoder={"ehr_kind": EhrKind.TRANSFORMER, "ehr_layers": 1},
        fusion={"score": Score.INFORMATION, "temperature_positions": 3, "is_share_chosen": True},
    )
    network = load_medpatch(train_all(made_up, tmp_path, (Modality.EHR, Modality.RR)))
    assert isinstance(network.extractor.encoder[Modality.EHR], EhrTransformer)
    assert network.extractor.scorer[Modality.RR].temperature.shape[0] == 3
    with torch.no_grad():
        assert network(made_up.splits[Split.VAL]).late.isfinite().all()


@pytest.mark.parametrize(("modality", "is_augmented"), [(Modality.CXR, True), (Modality.EHR, False)])
def test_radiographs_alone_are_augmented_in_stage_one(made_up, tmp_path, modality, is_augmented):
    for name in ("plain", "augmented"):
        made_up.config = make_config(augment_cxr=name == "augmented")
        train_unimodal(made_up, modality, tmp_path / name)
    one, two = (load_unimodal(tmp_path / name).encoder.state_dict() for name in ("plain", "augmented"))
    assert all(torch.equal(one[name], two[name]) for name in one) is not is_augmented


def test_views_of_an_image_are_drawn_anew_in_training_and_never_in_validation():
    image = torch.arange(3 * 32 * 32).remainder(251).to(torch.uint8).view(3, 32, 32)
    seen = []

    def encode(value, mask):
        seen.append(value)
        return SimpleNamespace(pooled=torch.zeros(len(value), 1))

    network = SimpleNamespace(modality=Modality.CXR, encoder=encode, classify=lambda pooled: pooled)
    inputs = SimpleNamespace(take=lambda index: (image[index], torch.ones(len(index))), label=torch.zeros(3, 1))
    step = unimodal_step(network, inputs, device=torch.device("cpu"), generator=torch.Generator().manual_seed(0))
    for is_training in (True, True, False):
        step(torch.arange(3), is_training)
    assert not torch.equal(seen[0], image)
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], image)


@pytest.mark.parametrize("late", Late)
def test_late_head_is_fitted_on_the_val_stays_or_learned_with_the_others(made_up, tmp_path, late):
    made_up.config = with_model(made_up.config, fusion={"late": late})
    fusion = load_medpatch(train_all(made_up, tmp_path, (Modality.EHR, Modality.RR))).fusion
    if late is Late.MEAN:
        assert fusion.evidence is None
        return
    val = made_up.splits[Split.VAL]
    with torch.no_grad():
        network = load_medpatch(tmp_path / "fusion")
        output = network(val)
        again = network.fusion.expect_evidence(val.label.mean(dim=0))  # its prior is replaced below
        again.prior_logit.copy_(fusion.evidence.prior_logit)
        again.fit(output.heads, output.has_input, val.label)
        refitted = again(output.heads, output.has_input)
    torch.testing.assert_close(output.late, refitted, atol=1e-4, rtol=0)
    assert not torch.equal(fusion.evidence.weight, torch.full_like(fusion.evidence.weight, 1 / len(fusion.late_weight)))


def test_label_that_never_varies_in_val_keeps_the_mean_that_was_trained(made_up, tmp_path):
    made_up.splits[Split.VAL].label[:] = 0.0
    network = load_medpatch(train_all(made_up, tmp_path, (Modality.EHR, Modality.RR)))
    fusion = network.fusion
    assert not fusion.evidence.is_fitted.any()
    with torch.no_grad():
        output = network(made_up.splits[Split.VAL])
    torch.testing.assert_close(output.late, weighted_late(output.heads, output.has_input, fusion.late_weight))


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


def test_without_a_share_the_threshold_stays_as_configured(made_up):
    config = with_model(made_up.config, fusion={"high_share": None, "is_share_chosen": True})
    train = part([0.1, 0.2], 10)
    assert calibrated(config, scorer_of(), train, train).threshold.item() == 0.75
