"""The server of a command is killed while the command works: a named end, nothing lost, and the way on."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from flows.record import HOST, answers
from flows.server import SERVER
from medpatch.config.path import REPOSITORY_DIR

WAIT_SECONDS = 120.0


QUICK_WATCH = "from flows import watch; watch.PROBE_SECONDS = 0.2; from flows.cli import app; app()"
"""The command with a watch that looks 15 times as often: it gives a lasting server up after 3 s and not 45."""


def _environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("PREFECT_API_URL", "PREFECT_HOME")} | more


def _wait(is_there: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_there():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _server_of(process: psutil.Popen) -> psutil.Process:
    [server] = [c for c in process.children(recursive=True) if any("temporary_server.py" in a for a in c.cmdline())]
    return server


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A Prefect server that no command started, and its address."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        port = one.getsockname()[1]
    environment = _environment(PREFECT_HOME=str(tmp_path / "prefect"))
    server = subprocess.Popen([sys.executable, "-P", str(SERVER), str(port)], env=environment)
    try:
        _wait(lambda: answers(f"http://{HOST}:{port}/api/health"), server)
        yield server, f"http://{HOST}:{port}/api"
    finally:
        server.kill()
        server.wait()


@pytest.mark.timeout(400)
def test_a_temporary_server_killed_in_the_middle_is_named_and_the_next_run_goes_on(tree: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    line = [sys.executable, "-m", "flows.cli", "align", "--raw-dir", str(tree), "--work-dir", str(work)]
    ways = {"cwd": REPOSITORY_DIR, "env": _environment(), "text": True}
    process = psutil.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **ways)
    _wait(lambda: any(work.glob(".staging-*")), process)
    _server_of(process).kill()
    said = process.communicate(timeout=WAIT_SECONDS)[0]
    assert process.returncode == 1, said
    assert "ServerLostError: the Prefect server stopped answering" in said.replace("\n", " ")
    assert "Traceback" not in said.rpartition("ServerLostError")[2]

    again = subprocess.run(line, capture_output=True, check=False, **ways)
    assert again.returncode == 0, again.stderr
    assert len(list(work.glob("data-*/2_tensor"))) == 1


@pytest.mark.timeout(400)
@pytest.mark.long
def test_a_lasting_server_killed_during_training_is_named_and_the_next_run_closes_what_is_open(
    tree: Path, tmp_path: Path, lasting: tuple[subprocess.Popen[bytes], str]
) -> None:
    work, (server, api) = tmp_path / "work", lasting
    places = ["--raw-dir", str(tree), "--work-dir", str(work)]
    # more epochs than can be over before the watch ends the process
    long = ["--set", "train.unimodal_epochs=9999", "--set", "train.patience_epochs=9999"]
    ways = {"cwd": REPOSITORY_DIR, "text": True}
    process = subprocess.Popen(
        [sys.executable, "-c", QUICK_WATCH, "train", *places, *long],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(PREFECT_API_URL=api),
        **ways,
    )
    _wait(lambda: any(work.glob("encoder-*")), process)
    server.kill()
    began = time.monotonic()
    said = process.communicate(timeout=WAIT_SECONDS)[0]
    assert process.returncode == 1, said
    assert "ServerLostError: the Prefect server stopped answering" in said.replace("\n", " ")
    assert time.monotonic() - began < 30
    assert "RUNNING" in _states(work)

    tensors = next(work.glob("data-*/2_tensor/artifact.json")).stat().st_mtime_ns
    again = [sys.executable, "-m", "flows.cli", "align", *places]
    done = subprocess.run(again, capture_output=True, check=False, env=_environment(), **ways)
    assert done.returncode == 0, done.stderr
    assert next(work.glob("data-*/2_tensor/artifact.json")).stat().st_mtime_ns == tensors
    assert _states(work) == {"KILLED"}


def _states(work: Path) -> set[str]:
    with closing(sqlite3.connect(work / "mlflow.db")) as store:
        return {state for (state,) in store.execute("SELECT status FROM runs")}
