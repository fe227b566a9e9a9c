"""Files of weights: the same bytes for the same tensors, and refusals that name the tensors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from medpatch.config.error import CheckpointError
from medpatch.config.path import REPOSITORY_DIR
from medpatch.model.weights import SAME, WEIGHTS, restore, write_weights


def network(**more: nn.Module) -> nn.Module:
    return nn.ModuleDict({"first": nn.Linear(3, 2), "last": nn.Linear(2, 2, bias=False), **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the weights of such a network."""
    write_weights(tmp_path, network().state_dict())
    return tmp_path


def test_weights_come_back(tmp_path):
    saved = network()
    saved["first"].bias.data.zero_()
    saved["last"].weight.data.zero_()
    write_weights(tmp_path, saved.state_dict())
    again = restore(network(), tmp_path).state_dict()
    assert all(torch.equal(again[name], value) for name, value in saved.state_dict().items())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (network(more=nn.Linear(2, 1)), r"2 missing \(more\.weight, more\.bias\); train again"),
        (nn.ModuleDict({"first": nn.Linear(3, 2)}), r"1 unexpected \(last\.weight\); train again"),
        (network(last=nn.Linear(2, 5, bias=False)), r"1 of another shape \(last\.weight\); train again"),
        (network(last=nn.Linear(2, 2, bias=False).half()), r"1 of another type \(last\.weight\); train again"),
        (
            nn.ModuleDict({"first": nn.Linear(3, 4), "new": nn.Linear(2, 2, bias=False)}),
            r"1 missing \(new\.weight\), 1 unexpected \(last\.weight\), "
            r"2 of another shape \(first\.weight, first\.bias\); train again",
        ),
    ],
    ids=["missing", "unexpected", "shape", "type", "several"],
)
def test_tensors_that_do_not_fit_are_named(folder, asked, words):
    before = {name: value.clone() for name, value in asked.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"does not fit its description: {words}"):
        restore(asked, folder)
    assert all(torch.equal(before[name], value) for name, value in asked.state_dict().items())


def test_of_many_tensors_that_do_not_fit_a_few_are_named_and_the_others_counted(folder):
    asked = network(more=nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(9))))
    with pytest.raises(
        CheckpointError, match=r"9 missing \(more\.0\.weight, more\.1\.weight, more\.2\.weight and 6 more\)"
    ):
        restore(asked, folder)


def test_truncated_weights_are_refused(folder):
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be read"):
        restore(network(), folder)


@pytest.mark.parametrize("same", [{"one": "another"}, ["one"]], ids=["not there", "another form"])
def test_weights_whose_header_makes_no_sense_are_refused(folder, same):
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {SAME: json.dumps(same)})
    with pytest.raises(CheckpointError, match="cannot be read"):
        restore(network(), folder)


def test_weights_with_many_equal_tensors_are_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; from medpatch.model.weights import write_weights; "
        "write_weights(Path(sys.argv[1]), {f'w{i}': torch.zeros(2) for i in range(9)})"
    )
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], cwd=REPOSITORY_DIR, check=True)
    one, two = ((tmp_path / name / WEIGHTS).read_bytes() for name in ("one", "two"))
    assert one == two
