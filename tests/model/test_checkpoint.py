"""Checkpoints: the same logits after reloading, and refusals that say why."""

import json
import re
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from medpatch.align.channel import read_channels
from medpatch.config.base import digest_of
from medpatch.config.error import CheckpointError
from medpatch.config.model import EncoderConfig, ModelConfig
from medpatch.config.name import Modality, Rival
from medpatch.model import checkpoint
from medpatch.model.build import build_medpatch, build_scorer, build_unimodal
from medpatch.model.build_rival import NOT_A_NETWORK, build_rival
from medpatch.model.checkpoint import (
    DESCRIPTION,
    load_medpatch,
    load_scorer,
    load_unimodal,
    read,
    save,
    save_scorer,
)
from medpatch.model.checkpoint_rival import load_rival, save_rival
from medpatch.model.end_to_end import EndToEnd
from medpatch.model.weights import WEIGHTS
from model.factory import RAW_WIDTH, make_config, make_medpatch, make_spec, make_stay_tokens


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved MedPatch."""
    save(tmp_path, make_medpatch(), kind="medpatch", model=make_config(threshold=0.55), spec=make_spec(), data="a")
    return tmp_path


@torch.no_grad()
def test_reloaded_network_gives_the_same_logits(folder, batch):
    expected, found = make_medpatch()(batch), load_medpatch(folder, data="a")(batch)
    torch.testing.assert_close(found.late, expected.late)
    torch.testing.assert_close(found.high, expected.high)


@torch.no_grad()
def test_fitted_late_head_comes_back(tmp_path, batch):
    network = make_medpatch()
    evidence = network.fusion.expect_evidence(torch.tensor(make_spec().prevalence))
    evidence.weight.uniform_(0.0, 2.0)
    evidence.is_fitted.fill_(True)
    save(tmp_path, network, kind="medpatch", model=make_config(threshold=0.55), spec=make_spec(), data="a")
    torch.testing.assert_close(load_medpatch(tmp_path)(batch).late, network(batch).late)
    network.fusion.evidence = None
    assert not torch.allclose(load_medpatch(tmp_path)(batch).late, network(batch).late)


def test_loaded_network_is_in_eval_mode(folder):
    assert not any(module.training for module in load_medpatch(folder).modules())


def test_checkpoint_of_other_data_is_refused(folder):
    with pytest.raises(CheckpointError, match="trained on tensors a, asked to work on b"):
        load_medpatch(folder, data="b")


def test_checkpoint_of_another_contract_is_refused(folder):
    text = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(text | {"contract": "old"}))
    with pytest.raises(CheckpointError, match="made for tensors of contract old"):
        load_medpatch(folder)


def test_checkpoint_trained_on_another_order_of_the_ehr_columns_is_refused(folder, monkeypatch):
    names = list(read_channels().column_names)
    monkeypatch.setattr(checkpoint, "EHR_LAYOUT", digest_of(*names))
    read(folder)  # the order that the code has
    names[1], names[2] = names[2], names[1]
    monkeypatch.setattr(checkpoint, "EHR_LAYOUT", digest_of(*names))
    with pytest.raises(CheckpointError, match="made for tensors of contract"):
        load_medpatch(folder)


def test_checkpoint_of_another_kind_is_refused(folder):
    with pytest.raises(CheckpointError, match="expected a checkpoint of kind 'rival', found 'medpatch'"):
        load_rival(folder)


def test_missing_folder_is_a_checkpoint_error(tmp_path):
    with pytest.raises(CheckpointError, match=DESCRIPTION):
        load_medpatch(tmp_path / "none")


def leave_out(folder: Path, name: str) -> None:
    """Write the weights again without one tensor."""
    with safe_open(folder / WEIGHTS, framework="pt") as opened:
        header = opened.metadata()
    weights = load_file(folder / WEIGHTS)
    del weights[name]
    save_file(weights, folder / WEIGHTS, header)


def test_missing_weight_is_refused_by_name(folder):
    leave_out(folder, "fusion.late_weight")
    with pytest.raises(CheckpointError, match=r"does not fit its description: 1 missing \(fusion\.late_weight\); "):
        load_medpatch(folder)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("backbone", {"cxr": {"model_type": "tiny_image", "image_size": 16, "of_tomorrow": 1}}),
        ("backbone", {"rr": {"model_type": "of_tomorrow"}}),
        ("spec", {"label_names": ["one"]}),
    ],
    ids=["field", "kind", "labels"],
)
def test_network_that_this_code_cannot_build_is_refused_by_name(folder, part, change):
    text = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(text | {part: text[part] | change}))
    with pytest.raises(CheckpointError, match="cannot build"):
        load_medpatch(folder)


@pytest.mark.parametrize(("part", "value"), [("backbone", []), ("more", None), ("modalities", 1)])
def test_description_of_another_form_is_refused(folder, part, value):
    text = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(text | {part: value}))
    with pytest.raises(CheckpointError, match="no readable"):
        load_medpatch(folder)


def test_description_names_labels_and_modalities(folder):
    found = read(folder)
    assert found.spec.label_names == ("label 0", "label 1", "label 2")
    assert found.modalities == tuple(Modality)


def test_pretrained_encoder_is_restored_without_its_folder(tmp_path):
    body = transformers.BertConfig(
        vocab_size=60, hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertModel(body).save_pretrained(tmp_path / "bert")
    config = ModelConfig(encoder=EncoderConfig(width=8, note_name=str(tmp_path / "bert")))
    network = build_unimodal(config, make_spec(), modality=Modality.RR)
    out = tmp_path / "out"
    out.mkdir()
    save(out, network, kind="unimodal", model=config, spec=make_spec(), data="a")
    (tmp_path / "bert").rename(tmp_path / "gone")
    again = load_unimodal(out)
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_note_encoder_shared_by_two_modalities_is_stored_once_and_restored(tmp_path):
    config, spec = make_config(), make_spec((Modality.RR, Modality.DN))
    unimodal = {m: build_unimodal(config, spec, modality=m) for m in spec.modalities}
    unimodal[Modality.DN].encoder = unimodal[Modality.RR].encoder
    scorer = {m: build_scorer(config, spec, modality=m, width=u.encoder.width) for m, u in unimodal.items()}
    network = build_medpatch(config, spec, unimodal=unimodal, scorer=scorer)
    save(tmp_path, network, kind="medpatch", model=config, spec=spec, data="a")
    stored = load_file(tmp_path / WEIGHTS)
    assert sum("embedding.weight" in name for name in stored) == 1
    again = load_medpatch(tmp_path)
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_scorer_keeps_temperature_and_threshold(tmp_path):
    config, spec = make_config(), make_spec()
    scorer = build_scorer(config, spec, modality=Modality.EHR, width=8)
    scorer.temperature.copy_(torch.tensor([1.0, 2.0, 3.0]))
    scorer.threshold.copy_(torch.tensor([0.6, 0.7, 0.8]))
    save_scorer(tmp_path, scorer, modality=Modality.EHR, model=config, spec=spec, data="a")
    again = load_scorer(tmp_path, width=8, data="a")
    tokens = torch.randn(2, 3, 8)
    torch.testing.assert_close(again(tokens), scorer(tokens))
    torch.testing.assert_close(again.threshold, scorer.threshold)


def saved_rival(folder: Path, rival: Rival, moving: tuple[Modality, ...] = ()) -> EndToEnd:
    """A rival over all modalities, with encoders of some of them, saved in a folder."""
    torch.manual_seed(0)
    config, spec = make_config(), make_spec()
    unimodal = {m: build_unimodal(config, spec, modality=m) for m in moving}
    network = EndToEnd(unimodal, build_rival(rival, config, spec=spec, raw_width=RAW_WIDTH)).eval()
    save_rival(folder, network, rival=rival, raw_width=RAW_WIDTH, model=config, spec=spec, data="a")
    return network


@torch.no_grad()
@pytest.mark.parametrize("rival", [r for r in Rival if r not in NOT_A_NETWORK])
def test_every_rival_survives_a_round_trip(tmp_path, rival):
    network, stay = (
        saved_rival(tmp_path, rival),
        make_stay_tokens(torch.tensor([[True] * 4, [True, False, True, False]])),
    )
    found, again = load_rival(tmp_path, data="a")
    assert found is rival
    torch.testing.assert_close(again(None, stay).logits, network(None, stay).logits)


def test_a_rival_brings_back_the_encoders_that_it_moved(tmp_path):
    saved_rival(tmp_path, Rival.JOINT, (Modality.EHR,))
    _, again = load_rival(tmp_path)
    assert tuple(again.unimodal) == ("ehr",)


def test_rival_of_other_data_or_with_a_missing_weight_is_refused(tmp_path):
    saved_rival(tmp_path, Rival.EARLY)
    with pytest.raises(CheckpointError, match="trained on tensors a, asked to work on b"):
        load_rival(tmp_path, data="b")
    name = next(iter(load_file(tmp_path / WEIGHTS)))
    leave_out(tmp_path, name)
    with pytest.raises(CheckpointError, match="missing .*" + re.escape(name)):
        load_rival(tmp_path)
