"""Options of the encoders, of augmentation and of the late head reach the weights that a run leaves."""

from types import SimpleNamespace

import pytest
import torch

from medpatch.config.model import EhrKind, Late, Score
from medpatch.config.name import Modality, Split
from medpatch.model.checkpoint import load_medpatch, load_unimodal
from medpatch.model.encoder_ehr import EhrTransformer
from medpatch.model.late import weighted_late
from medpatch.train.step import unimodal_step
from train.cohort import make_config, with_model
from train.stages import train_all, train_unimodal


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
