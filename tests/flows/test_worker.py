"""A deployment is run by the worker that `medpatch up` starts."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.record import HOST
from medpatch.config.path import REPOSITORY_DIR
from medpatch.evaluate.finished import read_metrics

QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "evaluate.bootstrap_resamples": 20,
}
SETTINGS = ("PREFECT_", "MLFLOW_", "MEDPATCH_")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def _run(*command: str, **environment: str) -> str:
    """What a command prints, in an environment without settings of the test run."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    search = {"PYTHONPATH": str(REPOSITORY_DIR)}
    done = subprocess.run(
        command, env={**clean, **search, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    text = done.stdout.decode()
    assert done.returncode == 0, text[-3000:]
    return text


def _medpatch(*arguments: str) -> str:
    return _run(sys.executable, "-m", "flows.cli", *arguments)


@pytest.fixture
def services(tree: Path, tmp_path: Path) -> Iterator[int]:
    """Port of the Prefect server of running services; they are stopped afterwards."""
    work, ports = ("--work-dir", str(tmp_path / "work")), (_free_port(), _free_port())
    try:
        _medpatch("up", *work, "--raw-dir", str(tree), "--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1]))
        yield ports[0]
    finally:
        _medpatch("down", *work)


@pytest.mark.timeout(280)
def test_deployed_full_pipeline_is_run_to_its_end_by_the_worker(services: int, tmp_path: Path) -> None:
    prefect = str(Path(sys.executable).with_name("prefect"))
    changed = ("--param", f"overrides={json.dumps(QUICK)}")
    address = {"PREFECT_API_URL": f"http://{HOST}:{services}/api"}
    text = _run(prefect, "deployment", "run", "medpatch/full-pipeline", *changed, "--watch", **address)
    assert "Completed" in text
    [report] = (tmp_path / "work").glob("run-*/report")
    assert "medpatch" in read_metrics(report)
