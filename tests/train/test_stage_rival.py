"""Rivals through the loop, encoders that move, and the options of the fusion stage."""

import pytest
import torch

from medpatch.config.name import Modality, Rival, Split
from medpatch.config.train import LossWeighting, Precision
from medpatch.feature.dirs import StageDirs
from medpatch.model.build_rival import NETWORK
from medpatch.model.checkpoint import load_medpatch, load_scorer, load_unimodal
from medpatch.model.checkpoint_rival import load_rival
from medpatch.train.result import read_history, read_result
from medpatch.train.stage_fusion import run_fusion
from train.cohort import MadeUp
from train.stages import TENSORS, silent, train_earlier, train_rival

TWO = (Modality.EHR, Modality.RR)


@pytest.fixture
def earlier(made_up: MadeUp, tmp_path) -> StageDirs:
    """Everything before fusion, of two modalities."""
    return train_earlier(made_up, tmp_path / "earlier", TWO)


def change(made_up: MadeUp, **train: object) -> None:
    made_up.config = made_up.config.model_copy(update={"train": made_up.config.train.model_copy(update=train)})


def fuse(made_up: MadeUp, earlier: StageDirs, folder) -> None:
    run_fusion(made_up.config, TENSORS, out_dir=folder, earlier=earlier, inputs="i", log_metric=silent)


def moved(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    state = two.state_dict()
    return any(not torch.equal(value, state[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("rival", list(NETWORK))
def test_every_network_among_the_rivals_trains_and_comes_back(made_up, earlier, tmp_path, rival):
    change(made_up, fusion_epochs=2)
    result = train_rival(made_up, rival, tmp_path / "r", earlier)
    assert result.best["val_auroc"] is not None
    assert load_rival(tmp_path / "r", data=made_up.data)[0] is rival
    losses = [row["train_loss"] for row in read_history(tmp_path / "r")]
    assert losses[1] < losses[0]


def test_fusion_and_rivals_choose_on_every_val_stay_and_earlier_stages_on_half(made_up, earlier, tmp_path):
    fuse(made_up, earlier, tmp_path / "fusion")
    train_rival(made_up, Rival.EARLY, tmp_path / "early", earlier)
    stays = len(made_up.splits[Split.VAL].label)
    assert read_result(tmp_path / "fusion").selection_stays == stays
    assert read_result(tmp_path / "early").selection_stays == stays
    for m in TWO:
        assert 0 < read_result(earlier.unimodal[m]).selection_stays < stays
        assert 0 < read_result(earlier.confidence[m]).selection_stays < stays


def test_joint_rival_moves_its_copy_of_the_encoders_and_no_other_rival_does(made_up, earlier, tmp_path):
    before = load_unimodal(earlier.unimodal[Modality.EHR])
    train_rival(made_up, Rival.JOINT, tmp_path / "joint", earlier)
    train_rival(made_up, Rival.EARLY, tmp_path / "early", earlier)
    _, joint = load_rival(tmp_path / "joint")
    assert moved(joint.unimodal["ehr"].encoder, before.encoder)
    assert moved(joint.unimodal["rr"].encoder, load_unimodal(earlier.unimodal[Modality.RR]).encoder)
    assert not moved(load_unimodal(earlier.unimodal[Modality.EHR]), before)
    assert not load_rival(tmp_path / "early")[1].unimodal


def test_joint_rival_from_scratch_does_not_start_from_stage_one(made_up, earlier, tmp_path):
    change(made_up, fusion_epochs=1)
    losses = []
    for scratch in (False, True):
        change(made_up, joint_from_scratch=scratch)
        train_rival(made_up, Rival.JOINT, tmp_path / str(scratch), earlier)
        losses.append(read_history(tmp_path / str(scratch))[0]["train_loss"])
    assert losses[0] != losses[1]


def test_frozen_text_encoder_is_no_part_of_the_joint_rival(made_up, tmp_path):
    encoder = made_up.config.model.encoder.model_copy(update={"is_note_frozen": True})
    made_up.config = made_up.config.model_copy(
        update={"model": made_up.config.model.model_copy(update={"encoder": encoder})}
    )
    earlier = train_earlier(made_up, tmp_path / "earlier", TWO)
    train_rival(made_up, Rival.JOINT, tmp_path / "joint", earlier)
    assert tuple(load_rival(tmp_path / "joint")[1].unimodal) == ("ehr",)


@pytest.mark.parametrize("is_note_frozen", [False, True])
def test_fine_tuned_encoders_move_in_the_fusion_stage_frozen_ones_and_scorers_do_not(made_up, tmp_path, is_note_frozen):
    encoder = made_up.config.model.encoder.model_copy(update={"is_note_frozen": is_note_frozen})
    made_up.config = made_up.config.model_copy(
        update={"model": made_up.config.model.model_copy(update={"encoder": encoder})}
    )
    earlier = train_earlier(made_up, tmp_path / "earlier", TWO)
    change(made_up, fine_tune=True)
    fuse(made_up, earlier, tmp_path / "f")
    network = load_medpatch(tmp_path / "f")
    for m in TWO:
        stage_one = load_unimodal(earlier.unimodal[m])
        stays = is_note_frozen and m is Modality.RR
        assert moved(network.extractor.encoder[m], stage_one.encoder) is not stays
        scorer = load_scorer(earlier.confidence[m], width=stage_one.encoder.width)
        assert not moved(network.extractor.scorer[m], scorer)


@pytest.mark.parametrize("weighting", list(LossWeighting))
def test_every_loss_weighting_trains_and_leaves_nothing_in_the_checkpoint(made_up, earlier, tmp_path, weighting):
    change(made_up, loss_weighting=weighting)
    fuse(made_up, earlier, tmp_path / "f")
    assert not [name for name in load_medpatch(tmp_path / "f").state_dict() if "loss" in name]


def test_half_precision_products_end_near_full_ones(made_up, earlier, tmp_path):
    fuse(made_up, earlier, tmp_path / "full")
    change(made_up, precision=Precision.BFLOAT16)
    fuse(made_up, earlier, tmp_path / "half")
    one, two = (load_medpatch(tmp_path / name).fusion.state_dict() for name in ("full", "half"))
    assert any(not torch.equal(one[name], two[name]) for name in one)
    for before, after in zip(read_history(tmp_path / "full"), read_history(tmp_path / "half"), strict=True):
        assert after["val_loss"] == pytest.approx(before["val_loss"], abs=0.03)


def test_views_of_radiographs_take_turns(made_up, tmp_path):
    change(made_up, cxr_views=2, fusion_epochs=2)
    earlier = train_earlier(made_up, tmp_path / "earlier", (Modality.CXR,))
    fuse(made_up, earlier, tmp_path / "two")
    change(made_up, cxr_views=1)
    earlier = train_earlier(made_up, tmp_path / "again", (Modality.CXR,))
    fuse(made_up, earlier, tmp_path / "one")
    one, two = (read_history(tmp_path / name) for name in ("one", "two"))
    assert one[0] == two[0]  # the first epoch sees the unchanged images
    assert one[1]["train_loss"] != two[1]["train_loss"]
