"""The local services: Prefect server, MLflow server and a worker, all bound to 127.0.0.1."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from medpatch.config.error import ConfigError
from medpatch.config.path import REPOSITORY_DIR, PathConfig, child_environment

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
POOL = "medpatch-pool"
READY_SECONDS = 90.0


def serve_pages(paths: PathConfig, *, prefect_port: int, mlflow_port: int) -> None:
    """Start both servers, wait until each answers, print the addresses, stop them at Ctrl-C.

    Raises:
        ConfigError: a port is taken, or a server ended or stayed silent.
    """
    for name, port in (("Prefect", prefect_port), ("MLflow", mlflow_port)):
        _refuse_taken(name, port)
    paths.mlflow_artifact_dir.mkdir(parents=True, exist_ok=True)
    prefect = [_bin("prefect"), "server", "start", "--host", HOST, "--port", str(prefect_port)]
    mlflow = [
        *(_bin("mlflow"), "server", "--host", HOST, "--port", str(mlflow_port), "--workers", "1"),
        *("--backend-store-uri", paths.tracking_uri),
        *("--default-artifact-root", paths.mlflow_artifact_dir.as_uri()),
    ]
    pages = {
        "Prefect": (prefect, f"http://{HOST}:{prefect_port}/api/health"),
        "MLflow": (mlflow, f"http://{HOST}:{mlflow_port}/health"),
    }
    log_dir = paths.work_dir / "log"
    log_dir.mkdir(parents=True, exist_ok=True)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, (command, _) in pages.items():
            running.append(_start(command, log_dir / f"{name.lower()}.log"))
        for (name, (_, health)), process in zip(pages.items(), running, strict=True):
            _wait_until_healthy(name, process, health, log_dir / f"{name.lower()}.log")
        console = Console()
        console.print(f"Prefect  http://{HOST}:{prefect_port}")
        console.print(f"MLflow   http://{HOST}:{mlflow_port}   (experiments medpatch/…)")
        console.print("Ctrl-C stops both; their logs are in " + str(log_dir), soft_wrap=True)
        _wait_for_any(running)
    finally:
        _stop(running)


def serve_worker(paths: PathConfig, *, prefect_port: int) -> None:
    """Create the work pool, deploy everything in prefect.yaml, and run a process worker until Ctrl-C.

    Raises:
        ConfigError: no Prefect server answers, or a step failed.
    """
    api = f"http://{HOST}:{prefect_port}/api"
    if not _answers(f"{api}/health"):
        raise ConfigError(f"no Prefect server answers at {api}; start one with `make ui` and try again")
    environment = child_environment(paths, PREFECT_API_URL=api, PREFECT_WORKER_QUERY_SECONDS="2")
    for command in (
        [_bin("prefect"), "work-pool", "create", POOL, "--type", "process", "--overwrite"],
        [_bin("prefect"), "deploy", "--all", "--no-prompt"],
    ):
        done = subprocess.run(command, cwd=REPOSITORY_DIR, env=environment, check=False)
        if done.returncode != 0:
            raise ConfigError(f"`{' '.join(command[1:])}` ended with code {done.returncode}; see its output above")
    Console().print(
        f"deployed; run one with: PREFECT_API_URL={api} prefect deployment run medpatch/full-pipeline --watch",
        soft_wrap=True,
    )
    worker = [_bin("prefect"), "worker", "start", "--pool", POOL, "--limit", "1"]
    running = [subprocess.Popen(worker, cwd=REPOSITORY_DIR, env=environment)]
    try:
        _wait_for_any(running)
    finally:
        _stop(running)


def _bin(name: str) -> str:
    """The command of that name in the environment that runs us."""
    return str(Path(sys.executable).with_name(name))


def _start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)


def _refuse_taken(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} for {name} is taken on {HOST}; stop what uses it or choose another "
                f"(--{name.lower()}-port)"
            ) from error


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _wait_until_healthy(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ConfigError(f"the {name} server ended with code {process.returncode}; see {log}")
        if _answers(url):
            return
        time.sleep(0.3)
    raise ConfigError(f"the {name} server did not answer within {READY_SECONDS:.0f} s; see {log}")


def _wait_for_any(running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until one of the processes ends, or SIGINT/SIGTERM asks us to stop."""
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        while all(process.poll() is None for process in running):
            time.sleep(0.5)
    except KeyboardInterrupt:
        logger.info("stopping")


def _stop(running: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in running:
        if process.poll() is None:
            _signal(process, signal.SIGTERM)
    for process in running:
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the whole group where the process leads one, so that its children end too."""
    if os.getpgid(process.pid) == process.pid:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
