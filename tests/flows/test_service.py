"""Services refuse early, are stopped exactly, and say what is wrong."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.process import MARK, birth, marked, start
from flows.record import (
    HOST,
    MLFLOW,
    PREFECT,
    WORKER,
    Service,
    new_record,
    read_record,
    record_file,
    running_address,
    write_record,
)
from flows.server import api_server
from flows.service import Wanted, down, status, up
from medpatch.config.error import BusyError, ConfigError, ServiceError
from medpatch.config.path import PathConfig, child_environment
from medpatch.contract.lock import lock

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def paths(tmp_path: Path) -> PathConfig:
    return PathConfig.from_environment(work_dir=tmp_path / "work")


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that something listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def _worker(paths: PathConfig, *, token: str) -> Service:
    log = paths.work_dir / "log" / "worker.log"
    process = start(SLEEP, log=log, environment={**os.environ, MARK: token})
    return Service(name=WORKER, pid=process.pid, birth=birth(process.pid), log=log)


@pytest.fixture
def worker(paths: PathConfig) -> Iterator[Service]:
    """A process recorded as the worker of a work folder."""
    record = new_record()
    service = _worker(paths, token=record.token)
    write_record(paths, record.with_service(service))
    yield service
    down(paths)


def test_taken_port_is_named_with_the_option_to_change_it(paths: PathConfig, taken_port: int) -> None:
    with pytest.raises(ConfigError, match=f"port {taken_port} for Prefect is taken.*--prefect-port"):
        up(paths, Wanted(prefect_port=taken_port), say=lambda _: None)
    assert read_record(paths) is None


@pytest.mark.parametrize("wanted", [Wanted(prefect_port=4998, mlflow_port=4998), Wanted(prefect_port=5000)])
def test_one_port_for_both_servers_is_refused_before_anything_starts(paths: PathConfig, wanted: Wanted) -> None:
    with pytest.raises(ConfigError, match=f"port {wanted.prefect_port} is asked for by both Prefect and MLflow"):
        up(paths, wanted, say=lambda _: None)
    assert read_record(paths) is None


def test_a_server_that_does_not_start_says_what_still_runs(paths: PathConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {PREFECT: SLEEP, MLFLOW: [sys.executable, "-c", "raise SystemExit('no store')"]}
    monkeypatch.setattr("flows.service._line", lambda _, name, port: lines[name])
    monkeypatch.setattr("flows.service.refuse_taken", lambda name, port: None)
    monkeypatch.setattr("flows.record.answers", lambda url: "/api/" in url)  # of those that live, Prefect alone
    try:
        with pytest.raises(ServiceError, match="(?s)the MLflow server ended.*Prefect of .* still runs.*medpatch down"):
            up(paths, Wanted(), say=lambda _: None)
    finally:
        assert down(paths) == 1


def test_a_second_up_of_the_same_folder_is_refused(paths: PathConfig) -> None:
    with lock(record_file(paths)), pytest.raises(BusyError, match="services.json"):
        up(paths, Wanted(), say=lambda _: None)


def test_down_where_nothing_runs_is_harmless(paths: PathConfig) -> None:
    assert down(paths) == 0
    assert status(paths) == []


def test_down_stops_what_is_recorded_and_forgets_it(paths: PathConfig, worker: Service) -> None:
    assert [(name, state) for name, state, _ in status(paths)] == [(WORKER, "runs")]
    assert down(paths) == 1
    assert not worker.is_alive
    assert read_record(paths) is None


def test_down_stops_a_flow_run_whose_worker_was_killed(paths: PathConfig, worker: Service) -> None:
    token = read_record(paths).token
    orphan = start(SLEEP, log=worker.log, environment={**os.environ, MARK: token})
    while orphan.pid not in [process.pid for process in marked(token)]:  # its environment can be read shortly after
        time.sleep(0.01)
    psutil.Process(worker.pid).kill()
    assert down(paths) >= 1
    assert birth(orphan.pid) is None
    assert marked(token) == []


def test_down_leaves_a_process_that_only_has_the_recorded_pid(paths: PathConfig) -> None:
    ourselves = Service(name=WORKER, pid=os.getpid(), birth="of a process long gone", log=paths.work_dir / "log")
    write_record(paths, new_record().with_service(ourselves))
    assert status(paths)[0][1] == "has ended"
    assert down(paths) == 0


def test_a_live_process_that_does_not_answer_is_said_to_be_silent(paths: PathConfig) -> None:
    record = new_record()
    service = _worker(paths, token=record.token).model_copy(update={"name": PREFECT, "port": 9})
    write_record(paths, record.with_service(service))
    assert status(paths)[0][1] == "lives but does not answer"
    assert running_address(paths, PREFECT) is None
    down(paths)


def test_a_record_of_another_version_counts_as_none(paths: PathConfig) -> None:
    record_file(paths).parent.mkdir(parents=True)
    record_file(paths).write_text('{"pids": [1, 2]}')
    assert read_record(paths) is None


def test_another_port_than_the_running_one_is_refused(
    paths: PathConfig, worker: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = worker.model_copy(update={"name": PREFECT, "port": 4999})
    write_record(paths, read_record(paths).with_service(server))
    monkeypatch.setattr("flows.record.answers", lambda url: True)
    with pytest.raises(ConfigError, match="runs on port 4999, asked for 4998"):
        up(paths, Wanted(prefect_port=4998), say=lambda _: None)


@pytest.mark.parametrize(
    ("placed", "expected"), [(None, "work/prefect"), ("mine", "mine")], ids=["by us", "by the user"]
)
def test_the_store_of_prefect_lies_in_the_work_folder_even_where_an_api_is_named(
    paths: PathConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placed: str | None, expected: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://{HOST}:9/api")  # as the guide says before `prefect deployment run`
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    if placed is not None:
        monkeypatch.setenv("PREFECT_HOME", str(tmp_path / placed))
    assert child_environment(paths)["PREFECT_HOME"] == str(tmp_path / expected)


def test_a_named_server_that_is_down_says_how_to_start_one(paths: PathConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://{HOST}:9/api")
    with pytest.raises(ServiceError, match="medpatch up"), api_server(paths):
        pass


@pytest.mark.parametrize("named", ["http://127.0.0.1:5000", "https://mlflow.example"])
def test_the_mlflow_server_keeps_its_runs_in_the_work_folder_where_the_tracking_uri_names_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", named)  # as the guide says before `mlflow models serve`
    paths = PathConfig.from_environment(work_dir=tmp_path)
    assert paths.tracking_uri == named
    assert paths.store_to_serve == f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_the_mlflow_server_serves_another_store_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere/mlflow.db")
    assert PathConfig.from_environment(work_dir=tmp_path).store_to_serve == "sqlite:////elsewhere/mlflow.db"
