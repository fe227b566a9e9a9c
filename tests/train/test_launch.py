"""Jobs for several processes: as many as asked for, and what went wrong in one is raised as what it was."""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from medpatch.config.error import ConfigError, ContractError, DivergedError, MedPatchError, ResourceError
from medpatch.config.name import Modality, Rival, Stage
from medpatch.train import worker
from medpatch.train.job import Job
from medpatch.train.launch import run_job
from train.cohort import make_config


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Stage 1 in two processes, of tensors that are not there."""
    config = make_config(processes=2)
    return Job(Stage.UNIMODAL, config, tmp_path / "tensor", tmp_path / "out", "i", modality=Modality.EHR)


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Let a script that says this and fails stand for torchrun and its workers."""

    def stand_in(kind: str, message: str) -> None:
        script = tmp_path / "python"
        script.write_text(f"#!/bin/sh\necho 'error {json.dumps([kind, message])}'\nexit 1\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return stand_in


def below(kind: type[MedPatchError]) -> list[type[MedPatchError]]:
    return [kind, *(one for child in kind.__subclasses__() for one in below(child))]


ERRORS = [kind for kind in below(MedPatchError) if kind.__module__ == MedPatchError.__module__]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_of_a_worker_is_raised_as_its_own_class_with_its_message(job, says, kind):
    says(kind.__name__, "stay_index: 3 of 812")
    with pytest.raises(MedPatchError, match="^stay_index: 3 of 812$") as raised:
        run_job(job, log_metric=lambda *_: None)
    assert raised.type is kind


def test_all_that_a_stage_may_raise_is_among_them():
    assert {ConfigError, DivergedError, ContractError, ResourceError} < set(ERRORS)


@pytest.mark.parametrize("kind", ["KeyError", "Enum", "no such class"])
def test_an_error_that_is_none_of_ours_is_not_taken_for_a_wrong_configuration(job, says, kind):
    says(kind, "odd")
    with pytest.raises(MedPatchError, match="odd") as raised:
        run_job(job, log_metric=lambda *_: None)
    assert raised.type is MedPatchError


@pytest.mark.parametrize(("wanted", "found"), [(2, 1), (2, 4), (1, 2)])
def test_a_job_started_in_another_number_of_processes_is_refused(job, wanted, found):
    job = replace(job, config=make_config(processes=wanted))
    message = (
        rf"job is for {wanted} in all, found {found}; start as many.*--nproc-per-node {wanted} .*processes={found}$"
    )
    with pytest.raises(ConfigError, match=message):
        worker.check_processes(job, found)
    worker.check_processes(job, wanted)


def test_trees_are_made_by_one_process_whatever_the_others_take(job):
    trees = replace(job, stage=Stage.FUSION, modality=None, rival=Rival.BOOSTED_TREES)
    worker.check_processes(trees, 1)
    with pytest.raises(ConfigError, match="job is for 1 in all, found 2"):
        worker.check_processes(trees, 2)


def test_a_worker_alone_with_a_job_for_two_says_so_and_trains_nothing(job, tmp_path, capsys):
    (tmp_path / "job.json").write_text(job.to_json())
    assert worker.main(tmp_path / "job.json") == 1
    kind, message = json.loads(capsys.readouterr().out.removeprefix("error "))
    assert kind == "ConfigError"
    assert "the job is for 2 in all, found 1" in message


def test_processes_leave_nothing_in_the_folder_for_temporary_files(job, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it is read once
    with pytest.raises(MedPatchError):
        run_job(job, log_metric=lambda *_: None)
    assert not list(temporary.iterdir())
