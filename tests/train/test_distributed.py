"""Two processes on one machine end where one ends, up to the rounding of sums."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from align.warehouse import HEART_RATE, write_warehouse
from safetensors.torch import load_file

from medpatch.align.shard import write_shards
from medpatch.config.cohort import CohortConfig
from medpatch.config.error import ContractError
from medpatch.config.modality import ModalityConfig, Scaling
from medpatch.config.model import EncoderConfig, ModelConfig
from medpatch.config.name import Modality, Rival, Stage, Task
from medpatch.config.path import REPOSITORY_DIR
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import TrainConfig
from medpatch.contract.artifact import is_whole
from medpatch.feature.dirs import StageDirs
from medpatch.feature.encode import write_features
from medpatch.feature.pool import write_pools
from medpatch.model.weights import WEIGHTS
from medpatch.train.job import Job
from medpatch.train.launch import run_job
from medpatch.train.result import read_history
from medpatch.train.session import state_file

STAYS = {s: "test" if s % 6 == 0 else "val" if s % 6 == 1 else "train" for s in range(60)}
CONFIG = PipelineConfig(
    cohort=CohortConfig(task=Task.IN_HOSPITAL_MORTALITY, window_hours=4),
    modality=ModalityConfig(modalities=(Modality.EHR,), scaling=Scaling.TRAIN),
    model=ModelConfig(encoder=EncoderConfig(ehr_width=8, width=8)),
    # the last batch of each epoch has one stay: one of the two processes has nothing to do
    train=TrainConfig(
        device="cpu", batch_size=13, unimodal_epochs=3, confidence_epochs=2, fusion_epochs=3, learning_rate=1e-2
    ),
)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Stage 1 of the EHR on a made-up cohort."""
    write_warehouse(
        tmp_path / "mart",
        STAYS,
        hours=4.0,
        events=[(s, 1.0, HEART_RATE, 60.0 + 7 * (s % 9)) for s in STAYS],
        positive=[s for s in STAYS if s % 9 > 5],
    )
    write_shards(tmp_path / "mart", None, config=CONFIG, out_dir=tmp_path / "tensor", inputs="made-up")
    return Job(Stage.UNIMODAL, CONFIG, tmp_path / "tensor", tmp_path / "one", "i", modality=Modality.EHR)


def in_two(job: Job, out_dir: Path, **train: object) -> Job:
    settings = job.config.train.model_copy(update={"processes": 2, **train})
    return replace(job, config=job.config.model_copy(update={"train": settings}), out_dir=out_dir)


def test_two_processes_end_where_one_ends(job, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen, done = [], []
    run_job(job, log_metric=lambda *_: None)
    result = run_job(
        in_two(job, tmp_path / "two"),
        log_metric=lambda *point: seen.append(point),
        progress=lambda *step: done.append(step),
    )
    assert result.train_stays == 40
    assert is_whole(tmp_path / "two")
    close(tmp_path / "one", tmp_path / "two")
    assert [name for name, _, _ in seen] == ["train/loss", "val/loss", "val/auroc", "train/learning_rate"] * 3
    assert done == [(1, 3), (2, 3), (3, 3)]


def close(one: Path, two: Path) -> None:
    """The same weights up to the rounding of sums, and the same history."""
    alone, together = load_file(one / WEIGHTS), load_file(two / WEIGHTS)
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, atol=2e-5, rtol=1e-4)
    for before, after in zip(read_history(one), read_history(two), strict=True):
        told = {name: value for name, value in before.items() if value is not None}  # token predictors have no AUROC
        assert {name: after[name] for name in told} == pytest.approx(told, rel=1e-4)


@pytest.fixture
def earlier(job: Job, tmp_path: Path) -> StageDirs:
    """Stage 1 and what its encoder leaves; stage 2 and the pools have no folder yet."""
    run_job(job, log_metric=lambda *_: None)
    folders = {"unimodal": job.out_dir} | {kind: tmp_path / kind for kind in ("feature", "confidence", "pool")}
    here = StageDirs(**{kind: {Modality.EHR: folder} for kind, folder in folders.items()})
    ways = {"modality": Modality.EHR, "inputs": "i"}
    write_features(CONFIG, job.tensor_dir, out_dir=folders["feature"], unimodal_dir=job.out_dir, **ways)
    scorer = replace(job, stage=Stage.CONFIDENCE, feature_dir=folders["feature"], out_dir=folders["confidence"])
    run_job(scorer, log_metric=lambda *_: None)
    write_pools(
        CONFIG,
        job.tensor_dir,
        out_dir=folders["pool"],
        feature_dir=folders["feature"],
        unimodal_dir=job.out_dir,
        confidence_dir=folders["confidence"],
        **ways,
    )
    return here


def test_token_predictors_of_two_processes_end_where_those_of_one_end(job, earlier, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    scorer = replace(job, stage=Stage.CONFIDENCE, feature_dir=earlier.feature[Modality.EHR])
    run_job(in_two(scorer, tmp_path / "two"), log_metric=lambda *_: None)
    close(earlier.confidence[Modality.EHR], tmp_path / "two")


@pytest.mark.parametrize("rival", [None, Rival.EARLY])
def test_fusion_of_two_processes_ends_where_that_of_one_ends(job, earlier, tmp_path, monkeypatch, rival):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = replace(job, stage=Stage.FUSION, modality=None, rival=rival, earlier=earlier, out_dir=tmp_path / "alone")
    run_job(alone, log_metric=lambda *_: None)
    run_job(in_two(alone, tmp_path / "two"), log_metric=lambda *_: None)
    close(tmp_path / "alone", tmp_path / "two")


SCRIPT = """
import os, signal, sys
from pathlib import Path
from medpatch.train import worker
from medpatch.train.update import Updater

before, steps = Updater.update, 0

def update(self, *args, **kwargs):
    global steps
    if steps == int(sys.argv[3]) and self.session.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    steps += 1
    return before(self, *args, **kwargs)

worker.main(Path(sys.argv[1]))
Updater.update = update
worker.main(Path(sys.argv[2]))
"""


def test_two_processes_of_which_one_was_killed_go_on_and_end_as_if_it_had_not_been(job, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY_DIR))
    encoder = CONFIG.model.encoder.model_copy(update={"ehr_dropout": 0.3})  # each process draws for itself
    model = CONFIG.model.model_copy(update={"encoder": encoder})
    job = replace(job, config=CONFIG.model_copy(update={"model": model}))
    jobs = [in_two(job, tmp_path / name, state_seconds=0.0) for name in ("whole", "killed")]
    files = [tmp_path / f"{one.out_dir.name}.json" for one in jobs]
    for one, file in zip(jobs, files, strict=True):
        file.write_text(one.to_json())
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    # four batches an epoch: the seventh is in the second epoch
    started = subprocess.run([*command, str(tmp_path / "script.py"), *map(str, files), "6"], check=False)
    assert started.returncode == 1
    assert not (tmp_path / "killed").exists()
    assert state_file(tmp_path / "killed").exists()
    done = []
    run_job(jobs[1], log_metric=lambda *_: None, progress=lambda *step: done.append(step))
    assert done == [(2, 3), (3, 3)]
    whole, killed = load_file(tmp_path / "whole" / WEIGHTS), load_file(tmp_path / "killed" / WEIGHTS)
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    assert read_history(tmp_path / "whole") == read_history(tmp_path / "killed")


def test_what_goes_wrong_in_a_process_is_said_by_the_one_that_started_it(job, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with pytest.raises(ContractError, match="not a finished folder"):
        run_job(in_two(replace(job, tensor_dir=tmp_path / "none"), tmp_path / "two"), log_metric=lambda *_: None)
    assert not (tmp_path / "two").exists()


def test_a_job_survives_being_written_down(job):
    assert Job.from_json(job.to_json()) == job
