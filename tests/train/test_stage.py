"""The stages on a made-up cohort: they learn, keep what is frozen, and leave whole folders."""

import json
from dataclasses import replace

import pytest
import torch

from medpatch.config.model import Compat, FusionConfig, Score
from medpatch.config.name import Modality, Split
from medpatch.model.checkpoint import load_medpatch, load_scorer, load_unimodal
from medpatch.train.auroc import macro_auroc
from medpatch.train.result import read_history
from medpatch.train.stage_unimodal import run_unimodal
from train.cohort import MadeUp, make_cohort, make_config, pick
from train.stages import TENSORS, encode, train_all, train_confidence, train_unimodal


@pytest.fixture
def eight(made_up: MadeUp) -> MadeUp:
    """Eight stays that have everything, to train and to validate on."""
    cohort = make_cohort(8, seed=4, label=torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(4, 1))
    cohort = replace(cohort, presence=torch.ones_like(cohort.presence))
    cohort.mask[Modality.EHR][:] = True
    cohort.mask[Modality.CXR][:] = True
    for note in (Modality.RR, Modality.DN):
        cohort.mask[note][:, :, :3] = True
    made_up.splits = {Split.TRAIN: cohort, Split.VAL: cohort, Split.TEST: cohort}
    made_up.config = make_config(unimodal_epochs=40, confidence_epochs=150, fusion_epochs=40, calibration_share=0.001)
    return made_up


@pytest.mark.parametrize("modality", list(Modality))
def test_unimodal_stage_overfits_eight_stays(eight, tmp_path, modality):
    train_unimodal(eight, modality, tmp_path / "u")
    batch = eight.splits[Split.TRAIN]
    with torch.no_grad():
        logits = load_unimodal(tmp_path / "u")(batch)
    assert macro_auroc(logits, batch.label)[0] == 1.0


def test_fusion_stage_overfits_eight_stays(eight, tmp_path):
    eight.config = make_config(
        unimodal_epochs=8, confidence_epochs=8, fusion_epochs=120, patience_epochs=120, calibration_share=0.001
    )
    folder = train_all(eight, tmp_path)
    batch = eight.splits[Split.TRAIN]
    with torch.no_grad():
        output = load_medpatch(folder)(batch)
    assert macro_auroc(output.late, batch.label)[0] == 1.0
    assert read_history(folder)[-1]["train_loss"] < 0.1


def test_confidence_stage_learns_which_tokens_tell(eight, tmp_path):
    train_unimodal(eight, Modality.EHR, tmp_path / "u")
    encode(eight, Modality.EHR, tmp_path / "f", tmp_path / "u")
    losses = []

    def log(name, value, epoch):
        if name == "train/loss":
            losses.append(value)

    train_confidence(eight, Modality.EHR, tmp_path / "c", tmp_path / "f", log)
    # the first two of six hours say nothing, so the loss of a linear map stays above a third of ln 2
    assert 0.23 < losses[-1] < 0.7 * losses[0]


def test_frozen_encoders_and_scorers_are_the_same_after_fusion(made_up, tmp_path):
    folder = train_all(made_up, tmp_path)
    network = load_medpatch(folder)
    for m in Modality:
        before = load_unimodal(tmp_path / f"unimodal_{m}")
        for name, weight in network.extractor.encoder[m].state_dict().items():
            assert torch.equal(weight, before.encoder.state_dict()[name]), (m, name)
        projection = network.fusion.branch[m].unimodal_projection.weight
        assert torch.equal(projection, before.projection.weight)
        scorer = load_scorer(tmp_path / f"confidence_{m}", width=before.encoder.width)
        for name, value in scorer.state_dict().items():
            assert torch.equal(network.extractor.scorer[m].state_dict()[name], value), (m, name)


def test_two_runs_with_one_seed_give_the_same_weights(made_up, tmp_path):
    modalities = (Modality.EHR, Modality.RR)
    one = load_medpatch(train_all(made_up, tmp_path / "a", modalities)).state_dict()
    two = load_medpatch(train_all(made_up, tmp_path / "b", modalities)).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_another_seed_gives_other_weights(made_up, tmp_path):
    train_unimodal(made_up, Modality.EHR, tmp_path / "a")
    made_up.config = make_config(seed=7)
    train_unimodal(made_up, Modality.EHR, tmp_path / "b")
    one, two = load_unimodal(tmp_path / "a"), load_unimodal(tmp_path / "b")
    assert not torch.equal(one.head.linear.weight, two.head.linear.weight)


def test_training_leaves_the_outer_random_state_alone(made_up, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    assert torch.equal(torch.rand(2), expected)


def test_metrics_and_progress_come_once_per_epoch(made_up, tmp_path):
    seen, done = [], []
    run_unimodal(
        made_up.config,
        TENSORS,
        modality=Modality.EHR,
        out_dir=tmp_path / "u",
        inputs="i",
        log_metric=lambda name, value, epoch: seen.append((name, epoch)),
        progress=lambda part, whole: done.append((part, whole)),
    )
    assert seen[:3] == [("train/loss", 0), ("val/loss", 0), ("val/auroc", 0)]
    assert done == [(1, 3), (2, 3), (3, 3)]
    history = read_history(tmp_path / "u")
    assert [row["epoch"] for row in history] == [0, 1, 2]
    assert json.loads((tmp_path / "u" / "result.json").read_text())["best"] in history


def test_trained_network_tells_a_stay_alone_what_it_tells_it_in_company(made_up, tmp_path):
    folder = train_all(made_up, tmp_path)
    batch = made_up.splits[Split.VAL]
    network = load_medpatch(folder)
    with torch.no_grad():
        whole = network(batch)
        alone = [network(pick(batch, torch.tensor([i]))).late for i in range(4)]
    torch.testing.assert_close(torch.cat(alone), whole.late[:4], atol=1e-5, rtol=1e-5)


def test_published_form_runs_through_all_stages(made_up, tmp_path):
    fusion = FusionConfig(score=Score.CONFIDENCE, high_share=None, threshold=0.6, compat=Compat.PUBLISHED)
    model = made_up.config.model.model_copy(update={"fusion": fusion})
    made_up.config = made_up.config.model_copy(update={"model": model})
    folder = train_all(made_up, tmp_path)
    with torch.no_grad():
        assert load_medpatch(folder)(made_up.splits[Split.VAL]).late.isfinite().all()


def test_high_share_of_train_tokens_is_high(made_up, tmp_path):
    fusion = made_up.config.model.fusion.model_copy(update={"high_share": 0.25})
    model = made_up.config.model.model_copy(update={"fusion": fusion})
    made_up.config = made_up.config.model_copy(update={"model": model})
    folder = train_all(made_up, tmp_path, (Modality.EHR,))
    network = load_medpatch(folder)
    batch = made_up.splits[Split.TRAIN]
    with torch.no_grad():
        feature = network.extract(batch).modality[Modality.EHR]
    steps = batch.mask[Modality.EHR].sum(dim=1, keepdim=True)
    share = (feature.high_share * steps).sum(dim=0) / steps.sum()
    torch.testing.assert_close(share, torch.full_like(share, 0.25), atol=0.02, rtol=0)


def test_frozen_note_encoder_does_not_move_in_stage_one(made_up, tmp_path):
    encoder = made_up.config.model.encoder.model_copy(update={"is_note_frozen": True})
    model = made_up.config.model.model_copy(update={"encoder": encoder})
    made_up.config = made_up.config.model_copy(update={"model": model})
    features = encode(made_up, Modality.RR, tmp_path / "f", None)
    train_unimodal(made_up, Modality.RR, tmp_path / "a", feature_dir=features)
    made_up.config = made_up.config.model_copy(
        update={"train": made_up.config.train.model_copy(update={"learning_rate": 1e-4})}
    )
    train_unimodal(made_up, Modality.RR, tmp_path / "b", feature_dir=features)
    one, two = load_unimodal(tmp_path / "a"), load_unimodal(tmp_path / "b")
    for name, weight in one.encoder.state_dict().items():
        assert torch.equal(weight, two.encoder.state_dict()[name]), name
    assert not torch.equal(one.head.linear.weight, two.head.linear.weight)
