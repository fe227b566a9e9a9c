"""A run that is killed outright, wherever it is, goes on when it is run again and ends like one that was not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import psutil
import pytest
import torch
from prefect.settings import PREFECT_API_URL

from flows.start import settle
from medpatch.config.override import parse_overrides
from medpatch.config.path import REPOSITORY_DIR
from medpatch.config.preset import PresetName
from medpatch.track.run import open_tracking

PRESET = PresetName.tiny_in_hospital_mortality
QUICK = {
    "train.unimodal_epochs": 2,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 2,
    "evaluate.bootstrap_resamples": 20,
}
TWO = {
    "train.processes": 2,
    "train.unimodal_epochs": 40,
    "train.patience_epochs": 40,
    "modality.modalities": "ehr,rr",
    "evaluate.rivals": "none",
}
WAIT_SECONDS = 150.0
STATES = "encoder-*/.*.state.safetensors"
GONE_SECONDS = 10.0
"""Until the processes of a killed command have ended."""
PLACES: dict[str, Callable[[Path], bool]] = {
    "while raw tables are parsed": lambda work: any(work.glob(".staging-*")),
    "while tensors are written": lambda work: any(work.glob("data-*/.2_tensor.*")),
    "in the first training": lambda work: any(work.glob("encoder-*/unimodal-ehr")),
    "in fusion": lambda work: any(work.glob("model-*")),
    "while the report is written": lambda work: any(work.glob("run-*/4_prediction")),
}
"""Where the process is killed -> what of the work folder says that it is there."""


def _start(tree: Path, work_dir: Path, **more: object) -> subprocess.Popen[bytes]:
    fields = [part for name, value in {**QUICK, **more}.items() for part in ("--set", f"{name}={value}")]
    line = [sys.executable, "-m", "flows.cli", "run", "--raw-dir", str(tree), "--work-dir", str(work_dir), *fields]
    environment = {
        **os.environ,
        "PREFECT_API_URL": PREFECT_API_URL.value(),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
    }
    return subprocess.Popen(
        line, cwd=REPOSITORY_DIR, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _kill_when(process: subprocess.Popen[bytes], is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_there():
        assert process.poll() is None, "the run ended before it was where it should be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _predictions(tree: Path, work_dir: Path, **more: object) -> pl.DataFrame:
    fields = parse_overrides([f"{name}={value}" for name, value in {**QUICK, **more}.items()])
    run = settle(PRESET, raw_dir=tree, work_dir=work_dir, overrides=fields)
    return pl.read_parquet(run.prediction_dir / "predictions.parquet").sort("model", "split", "stay_id", "label_name")


@pytest.mark.timeout(900)
def test_a_run_killed_at_five_places_ends_like_one_that_was_not(
    tree: Path, prefect_server: None, tmp_path: Path
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for is_there in PLACES.values():
        _kill_when(_start(tree, killed), lambda is_there=is_there: is_there(killed))
    for work_dir in (killed, whole):
        assert _start(tree, work_dir).wait() == 0

    # the same number of threads in every process: sums in another order differ in the last digit
    assert _predictions(tree, killed).equals(_predictions(tree, whole))
    assert [p for p in killed.rglob(".*.tmp") if p.is_dir()] == []
    run = settle(PRESET, raw_dir=tree, work_dir=killed, overrides=QUICK)
    client = open_tracking(run.paths).client()
    experiments = [e.experiment_id for e in client.search_experiments()]
    states = {found.info.status for found in client.search_runs(experiments, max_results=1000)}
    assert states == {"FINISHED", "KILLED"}


def _training(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Whatever trains for that command: the processes below it, once two of them are at work together."""
    below = psutil.Process(process.pid).children(recursive=True)
    lines = []
    for one in below:
        try:
            lines.append(" ".join(one.cmdline()))
        except psutil.Error:
            continue
    return below if sum("medpatch.train.worker" in line for line in lines) > TWO["train.processes"] else []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_run_killed_while_two_processes_train_leaves_none_and_goes_on_when_run_again(
    tree: Path, prefect_server: None, tmp_path: Path
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process, below = _start(tree, killed, **TWO), []

    def trains() -> bool:
        below[:] = _training(process) if any(killed.glob(STATES)) else []
        return bool(below)

    _kill_when(process, trains)
    _, alive = psutil.wait_procs(below, timeout=GONE_SECONDS)
    assert alive == []
    assert len(list(killed.glob(STATES))) == 1
    for work_dir in (killed, whole):
        assert _start(tree, work_dir, **TWO).wait() == 0

    assert _predictions(tree, killed, **TWO).equals(_predictions(tree, whole, **TWO))
    assert list(killed.glob(STATES)) == []
    assert [p for p in killed.rglob(".*.tmp") if p.is_dir()] == []
