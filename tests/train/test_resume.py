"""A killed training goes on and ends bit for bit where the undisturbed one ends."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from medpatch.config.name import Modality, Rival, Split
from medpatch.config.train import Select, TrainConfig
from medpatch.model.weights import WEIGHTS
from medpatch.train import stage_unimodal
from medpatch.train.fit import fit
from medpatch.train.record import FitSettings, StepOutput
from medpatch.train.result import read_history
from medpatch.train.session import open_session, state_file
from medpatch.train.stage_fusion import run_fusion
from medpatch.train.state import StateFile
from medpatch.train.update import Updater
from train.cohort import MadeUp, make_config
from train.stages import TENSORS, silent, train_earlier, train_rival, train_unimodal


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def kill_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let the optimizer move that often, then die."""
    before, count = Updater.update, 0

    def update(self, *args, **kwargs):
        nonlocal count
        if count == steps:
            raise Killed
        count += 1
        return before(self, *args, **kwargs)

    monkeypatch.setattr(Updater, "update", update)


def same(one: Path, two: Path) -> bool:
    a, b = load_file(one / WEIGHTS), load_file(two / WEIGHTS)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def with_images(made_up: MadeUp) -> MadeUp:
    """A stage that draws random views; saved after every batch."""
    made_up.config = make_config(augment_cxr=True, unimodal_epochs=4, state_seconds=0.0)
    return made_up


@pytest.mark.parametrize("steps", [0, 1, 4, 7, 13])
def test_a_stage_killed_at_any_batch_ends_as_if_it_had_not_been(with_images, tmp_path, monkeypatch, steps):
    train_unimodal(with_images, Modality.CXR, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, steps)
        train_unimodal(with_images, Modality.CXR, tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    assert state_file(tmp_path / "killed").exists() is (steps > 0)
    train_unimodal(with_images, Modality.CXR, tmp_path / "killed")
    assert same(tmp_path / "whole", tmp_path / "killed")
    assert read_history(tmp_path / "whole") == read_history(tmp_path / "killed")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed", "whole"]


@pytest.mark.parametrize("rival", [None, Rival.MEDFUSE])
@pytest.mark.parametrize("steps", [1, 8])
def test_fusion_killed_at_any_batch_ends_as_if_it_had_not_been(made_up, tmp_path, monkeypatch, rival, steps):
    made_up.config = make_config(state_seconds=0.0)
    earlier = train_earlier(made_up, tmp_path / "earlier", (Modality.EHR, Modality.RR))

    def train(folder: Path) -> None:
        if rival is not None:
            train_rival(made_up, rival, folder, earlier)
            return
        run_fusion(made_up.config, TENSORS, out_dir=folder, earlier=earlier, inputs="i", log_metric=silent)

    train(tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, steps)
        train(tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    train(tmp_path / "killed")
    assert same(tmp_path / "whole", tmp_path / "killed")
    assert read_history(tmp_path / "whole") == read_history(tmp_path / "killed")


def test_a_stage_killed_twice_ends_as_if_it_had_not_been(with_images, tmp_path, monkeypatch):
    train_unimodal(with_images, Modality.CXR, tmp_path / "whole")
    for steps in (5, 6):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_after(patch, steps)
            train_unimodal(with_images, Modality.CXR, tmp_path / "killed")
    train_unimodal(with_images, Modality.CXR, tmp_path / "killed")
    assert same(tmp_path / "whole", tmp_path / "killed")


VAL_LOSSES = (3.0, 4.0, 4.0, 2.0, 4.0, 4.0, 1.0, 4.0)
"""Of each epoch; with a patience of three the rate is halved after epochs 2 and 5, and epoch 6 is the best."""


def train_toy(folder: Path) -> list[dict]:
    """Eight epochs of two batches with dropout; saved after every batch. The history."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 1))
    data, running = torch.randn(16, 3), 0

    def batches(epoch: int) -> tuple[torch.Tensor, ...]:
        nonlocal running
        running = epoch
        return torch.arange(16).roll(epoch).split(8)

    def step(index: torch.Tensor, is_training: bool) -> StepOutput:
        return StepOutput(network(data[index]).square().mean() if is_training else torch.tensor(VAL_LOSSES[running]), 8)

    fitted = fit(
        network, step, train_batches=batches, val_step=step, val_batches=lambda: [torch.arange(16)], name="toy",
        log_metric=silent, settings=FitSettings(len(VAL_LOSSES), 3, 0.1, 0.01, 1.0, Select.LOSS),
        session=open_session(TrainConfig(device="cpu", state_seconds=0), folder),
    )  # fmt: skip
    folder.mkdir()
    save_file(network.state_dict(), folder / WEIGHTS)
    state_file(folder).unlink()
    return [record.to_json() for record in fitted.history]


def test_a_training_killed_at_any_batch_goes_on_with_the_rate_and_the_patience_it_had(tmp_path, monkeypatch):
    history = train_toy(tmp_path / "whole")
    assert [row["learning_rate"] for row in history] == [0.1] * 3 + [0.05] * 3 + [0.025] * 2
    for steps in range(1, 2 * len(VAL_LOSSES)):
        killed = tmp_path / f"{steps}"
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_after(patch, steps)
            train_toy(killed)
        assert train_toy(killed) == history
        assert same(tmp_path / "whole", killed)


def test_a_stage_killed_after_its_last_epoch_still_says_what_it_skipped(made_up, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    made_up.splits[Split.VAL].label[:, 0] = 0.0
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(stage_unimodal, "finish", Mock(side_effect=Killed))
        train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    caplog.clear()
    train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    assert "goes on at epoch 3" in caplog.text
    assert "1 label has one class" in caplog.text


def test_each_of_two_processes_gets_its_own_random_state_back(tmp_path):
    before = torch.get_rng_state()
    rows = torch.stack([torch.Generator().manual_seed(seed).get_state() for seed in (1, 2)])
    save_file({"own": rows}, tmp_path / "states")
    kept = load_file(tmp_path / "states")["own"]
    for rank, seed in enumerate((1, 2)):
        own = torch.Generator()
        session = SimpleNamespace(rank=rank, generators=(own,), device=torch.device("cpu"))
        file = StateFile(session, torch.nn.Linear(1, 1), optimizer=None, schedule=None)
        file._set_random({"cpu": kept, "own-0": kept})
        assert torch.equal(torch.rand(3, generator=own), torch.rand(3, generator=torch.Generator().manual_seed(seed)))
    torch.set_rng_state(before)


def test_what_went_on_did_not_start_anew(with_images, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 9)
        train_unimodal(with_images, Modality.CXR, tmp_path / "u")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 1)
        train_unimodal(with_images, Modality.CXR, tmp_path / "u")
    per_epoch = -(-int(with_images.splits[Split.TRAIN].presence[:, 1].sum()) // with_images.config.train.batch_size)
    state = plain_state(tmp_path / "u")
    assert state["batches"] + per_epoch * state["epoch"] == 10


def plain_state(out_dir: Path) -> dict:
    with safe_open(state_file(out_dir), framework="pt") as opened:
        return json.loads(opened.metadata()["state"])


def test_a_state_of_other_settings_or_a_broken_one_is_not_used(with_images, tmp_path, monkeypatch, caplog):
    train_unimodal(with_images, Modality.CXR, tmp_path / "whole")
    save_file({"x": torch.zeros(1)}, state_file(tmp_path / "u"), {"state": json.dumps({"identity": "another"})})
    train_unimodal(with_images, Modality.CXR, tmp_path / "u")
    assert same(tmp_path / "whole", tmp_path / "u")
    state_file(tmp_path / "v").write_bytes(b"half a file")
    train_unimodal(with_images, Modality.CXR, tmp_path / "v")
    assert same(tmp_path / "whole", tmp_path / "v")
    assert "cannot be read; the stage starts anew" in caplog.text


SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from torch import nn
from safetensors.torch import save_file
from medpatch.config.train import TrainConfig
from medpatch.train.fit import fit
from medpatch.train.record import FitSettings, Select, StepOutput
from medpatch.train.session import open_session

folder, last = Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(0)
data = torch.randn(40, 6)
label = (data[:, :1] > 0).float()
network = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 1))
steps = 0

def step(index, is_training):
    global steps
    steps += is_training
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)
    logits = network(data[index])
    loss = nn.functional.binary_cross_entropy_with_logits(logits, label[index])
    return StepOutput(loss, len(index), logits, label[index])

fit(
    network, step, train_batches=lambda epoch: torch.arange(40).roll(epoch).split(8), val_step=step,
    val_batches=lambda: torch.arange(40).split(20), name="toy", log_metric=lambda *_: None,
    settings=FitSettings(6, 6, 0.05, 0.01, 1.0, Select.LOSS),
    session=open_session(TrainConfig(device="cpu", state_seconds=0), folder / "toy"),
)
save_file(network.state_dict(), folder / "weights.safetensors")
"""


def test_a_process_killed_by_a_signal_goes_on_where_it_was(tmp_path):
    def run(folder: Path, last: int) -> int:
        folder.mkdir(exist_ok=True)
        return subprocess.run([sys.executable, "-c", SCRIPT, str(folder), str(last)], check=False).returncode

    assert run(tmp_path / "whole", -1) == 0
    assert run(tmp_path / "killed", 13) == -signal.SIGKILL
    assert run(tmp_path / "killed", -1) == 0
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[name], two[name]) for name in one)
