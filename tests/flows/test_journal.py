"""What a killed process left open is closed by the next run, and only that."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.states import Running

from flows import journal
from flows.align import align
from flows.evaluate import evaluate
from flows.extract import extract
from flows.pipeline import full_pipeline
from flows.process import birth
from flows.refresh import data_refresh
from flows.train import train
from medpatch.config.path import PathConfig
from medpatch.config.preset import tiny_in_hospital_mortality
from medpatch.track.abandoned import close_runs
from medpatch.track.run import child_run, open_tracking, parent_run


@pytest.fixture
def paths(tmp_path: Path) -> PathConfig:
    work_dir = tmp_path / "work"
    return PathConfig(raw_dir=tmp_path, work_dir=work_dir, tracking_uri=f"sqlite:///{work_dir / 'mlflow.db'}")


@pytest.fixture
def dead() -> dict[str, object]:
    """Pid and birth of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = {"pid": process.pid, "birth": birth(process.pid)}
    process.communicate(b"\n")
    return found


@flow(name="left-open")
def _nothing() -> None:
    return None


@flow(name="named", flow_run_name="drawn")
def _opens(paths: PathConfig, name: str | None) -> str:
    journal.open_entry(paths, name=name)
    return str(FlowRunContext.get().flow_run.id)


@pytest.mark.parametrize(("name", "shown"), [("tiny 8384/0f36 s1002", "tiny 8384/0f36 s1002"), (None, "drawn")])
def test_a_flow_run_is_shown_under_the_name_it_is_given(
    paths: PathConfig, prefect_server: None, name: str | None, shown: str
) -> None:
    run = _opens(paths, name)
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(run).name == shown


@pytest.mark.parametrize("stage", [extract, align, train, evaluate, full_pipeline, data_refresh])
def test_a_run_that_ends_before_its_files_are_known_is_shown_under_its_preset(
    stage: Flow, prefect_server: None, tmp_path: Path
) -> None:
    state = stage("tiny_phenotyping", raw_dir=tmp_path / "nowhere", work_dir=tmp_path / "work", return_state=True)
    assert state.is_failed()
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(state.state_details.flow_run_id).name == "tiny_phenotyping"


def _open_flow_run() -> str:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(_nothing)
        client.set_flow_run_state(run.id, Running(), force=True)
        return str(run.id)


def _state(flow_run: str) -> str:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(flow_run).state.name


def _entry(paths: PathConfig, flow_run: str, process: dict[str, object], *, mlflow_runs: list[str]) -> Path:
    file = paths.work_dir / "service" / "run" / f"{flow_run}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"host": socket.gethostname(), **process, "flow_run": flow_run, "mlflow_runs": mlflow_runs})
    )
    return file


def test_the_run_of_a_dead_process_is_marked_crashed(
    prefect_server: None, paths: PathConfig, dead: dict[str, object]
) -> None:
    flow_run = _open_flow_run()
    file = _entry(paths, flow_run, dead, mlflow_runs=[])
    with get_client(sync_client=True) as client:
        assert journal.close_abandoned(paths, client) == 1
    assert _state(flow_run) == "Crashed"
    assert not file.exists()


def test_the_run_of_a_live_process_is_left_alone(prefect_server: None, paths: PathConfig) -> None:
    flow_run = _open_flow_run()
    file = _entry(paths, flow_run, {"pid": os.getpid(), "birth": birth(os.getpid())}, mlflow_runs=[])
    with get_client(sync_client=True) as client:
        assert journal.close_abandoned(paths, client) == 0
    assert _state(flow_run) == "Running"
    assert file.exists()


def test_the_run_of_another_machine_is_left_alone(
    prefect_server: None, paths: PathConfig, dead: dict[str, object]
) -> None:
    flow_run = _open_flow_run()
    file = _entry(paths, flow_run, {**dead, "host": "elsewhere"}, mlflow_runs=[])
    with get_client(sync_client=True) as client:
        assert journal.close_abandoned(paths, client) == 0
    assert _state(flow_run) == "Running"
    assert file.exists()


def test_mlflow_runs_of_a_dead_process_are_marked_killed(
    prefect_server: None, paths: PathConfig, dead: dict[str, object]
) -> None:
    tracking = open_tracking(paths)
    opened = parent_run(tracking, tiny_in_hospital_mortality(), preset="tiny", data_digest="d")
    run = opened.__enter__()
    _entry(paths, _open_flow_run(), dead, mlflow_runs=[run.run_id, "of another store"])
    with get_client(sync_client=True) as client:
        assert journal.close_abandoned(paths, client) == 2
    assert tracking.client().get_run(run.run_id).info.status == "KILLED"


def test_a_run_that_was_deleted_meanwhile_is_left_alone(paths: PathConfig) -> None:
    tracking = open_tracking(paths)
    client = tracking.client()
    run_id = client.create_run(client.create_experiment("of the dead")).info.run_id
    client.delete_run(run_id)
    assert close_runs(tracking, [run_id]) == 0
    assert client.get_run(run_id).info.status == "RUNNING"


def test_runs_at_every_depth_below_are_marked_killed(paths: PathConfig) -> None:
    tracking = open_tracking(paths)
    with ExitStack() as stack, pytest.raises(RuntimeError):
        search = parent_run(tracking, tiny_in_hospital_mortality(), preset="tiny", data_digest="d")
        runs = [stack.enter_context(search)]
        for name in ("trial", "seed", "stage"):
            runs.append(stack.enter_context(child_run(runs[-1], name, model="x")))
        assert close_runs(tracking, [runs[0].run_id]) == 4
        states = [tracking.client().get_run(run.run_id).info.status for run in runs]
        assert states == ["KILLED"] * 4
        raise RuntimeError


def test_a_run_that_is_retried_goes_on_and_what_its_first_process_left_in_mlflow_is_closed(
    prefect_server: None, paths: PathConfig, dead: dict[str, object]
) -> None:
    tracking = open_tracking(paths)
    opened = parent_run(tracking, tiny_in_hospital_mortality(), preset="tiny", data_digest="d")
    run, flow_run = opened.__enter__(), _open_flow_run()
    _entry(paths, flow_run, dead, mlflow_runs=[run.run_id])
    with get_client(sync_client=True) as client:
        assert journal.close_abandoned(paths, client, own=flow_run) == 1
    assert _state(flow_run) == "Running"
    assert tracking.client().get_run(run.run_id).info.status == "KILLED"


def test_a_flow_that_opens_its_entry_again_still_knows_its_mlflow_runs(prefect_server: None, paths: PathConfig) -> None:
    @flow(name="twice")
    def twice() -> None:
        journal.open_entry(paths)
        journal.note_mlflow_run(paths, "one")
        journal.open_entry(paths)
        journal.note_mlflow_run(paths, "two")

    twice()
    [file] = (paths.work_dir / "service" / "run").glob("*.json")
    assert json.loads(file.read_text())["mlflow_runs"] == ["one", "two"]


def test_an_entry_of_another_version_is_dropped(prefect_server: None, paths: PathConfig) -> None:
    file = _entry(paths, "x", {}, mlflow_runs=[])
    with get_client(sync_client=True) as client:
        assert journal.close_abandoned(paths, client) == 0
    assert not file.exists()


def test_a_flow_writes_its_entry(prefect_server: None, paths: PathConfig) -> None:
    @flow(name="writes")
    def writes() -> None:
        journal.open_entry(paths)
        journal.note_mlflow_run(paths, "r1")

    writes()
    (entry,) = [json.loads(f.read_text()) for f in (paths.work_dir / "service" / "run").iterdir()]
    assert (entry["pid"], entry["mlflow_runs"]) == (os.getpid(), ["r1"])
