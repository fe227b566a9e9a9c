"""Training in mixed precision, and on a GPU where there is one: repeated by its seed, and resumed after a kill."""

import os

import pytest
import torch
from safetensors.torch import load_file

from medpatch.config.name import Modality
from medpatch.feature.opening import choose_device
from medpatch.model.weights import WEIGHTS
from train.cohort import MadeUp, make_config
from train.stages import train_unimodal
from train.test_resume import Killed, kill_after, same

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize(
    "where",
    [
        {"device": "cpu", "precision": "bfloat16"},
        pytest.param({"device": "cuda", "precision": "float32"}, marks=GPU),
        pytest.param({"device": "cuda", "precision": "bfloat16"}, marks=GPU),
    ],
    ids=lambda where: f"{where['device']} {where['precision']}",
)
@pytest.mark.parametrize("name", [Modality.EHR, Modality.CXR])
def test_a_stage_is_repeated_by_its_seed_and_goes_on_after_a_kill(made_up: MadeUp, tmp_path, monkeypatch, name, where):
    made_up.config = make_config(augment_cxr=True, unimodal_epochs=2, state_seconds=0.0, **where)
    for folder in ("first", "second"):
        train_unimodal(made_up, name, tmp_path / folder)
    assert same(tmp_path / "first", tmp_path / "second")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 4)
        train_unimodal(made_up, name, tmp_path / "killed")
    train_unimodal(made_up, name, tmp_path / "killed")
    assert same(tmp_path / "first", tmp_path / "killed")
    assert all(one.dtype is torch.float32 for one in load_file(tmp_path / "first" / WEIGHTS).values())


def test_repeatable_products_are_asked_of_a_gpu_unless_the_user_has_chosen(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    choose_device("cpu")
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    choose_device("auto")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    choose_device("cuda")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
