"""Deployments are run by the workers that `medpatch up` starts: one of the queue default, one of the queue gpu."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort
from prefect.states import Cancelling

from flows.context import RunContext
from flows.finished import RECORD
from flows.record import GPU_WORKER, HOST, WORKER
from flows.start import settle
from medpatch.config.path import REPOSITORY_DIR
from medpatch.config.preset import PresetName
from medpatch.evaluate.finished import read_metrics
from medpatch.track.run import open_tracking

QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "evaluate.bootstrap_resamples": 20,
}
PRESET = PresetName.tiny_in_hospital_mortality
DATA_STEPS = ["stage-raw-tables", "build-tables", "gate-tables", "write-shards", "gate-tensors"]
SETTINGS = ("PREFECT_", "MLFLOW_", "MEDPATCH_")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def _run(*command: str, **environment: str) -> tuple[int, str]:
    """The exit code of a command and what it prints, in an environment without settings of the test run."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    search = {"PYTHONPATH": str(REPOSITORY_DIR)}
    done = subprocess.run(
        command, env={**clean, **search, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode, done.stdout.decode()


def _medpatch(*arguments: str) -> tuple[int, str]:
    return _run(sys.executable, "-m", "flows.cli", *arguments)


@dataclass(frozen=True)
class Services:
    """What runs: the API of its Prefect server, and its work folder."""

    api: str
    work_dir: Path
    raw_dir: Path

    def run(self, deployment: str, *, watch: bool = True, **parameters: object) -> tuple[int, str]:
        """Run a deployment, to its end if it is watched; the exit code and what was printed."""
        prefect = str(Path(sys.executable).with_name("prefect"))
        pairs = [part for name, value in parameters.items() for part in ("--param", f"{name}={json.dumps(value)}")]
        return _run(
            prefect, "deployment", "run", deployment, *pairs, *(["--watch"] if watch else []), PREFECT_API_URL=self.api
        )

    def flow_runs(self, flow: str) -> list[FlowRun]:
        """Every run of a flow, in the order in which they began."""
        with SyncPrefectClient(api=self.api) as client:
            of = FlowFilter(name=FlowFilterName(any_=[flow]))
            return client.read_flow_runs(flow_filter=of, sort=FlowRunSort.START_TIME_ASC)

    def steps(self, run: FlowRun) -> list[str]:
        """The tasks of a flow run, in order."""
        with SyncPrefectClient(api=self.api) as client:
            its = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
            order = TaskRunSort.EXPECTED_START_TIME_ASC
            return [task.name for task in client.read_task_runs(flow_run_filter=its, sort=order)]

    def taken_by(self, run: FlowRun) -> list[str]:
        """The workers whose logs name a flow run."""
        logs = {name: self.work_dir / "log" / f"{name}.log" for name in (WORKER, GPU_WORKER)}
        return [name for name, log in logs.items() if f"flow run '{run.id}'" in log.read_text()]


@pytest.fixture(scope="module")
def services(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Running services; they are stopped afterwards."""
    work_dir, ports = tmp_path_factory.mktemp("services") / "work", (_free_port(), _free_port())
    work = ("--work-dir", str(work_dir))
    places = ("--raw-dir", str(tree), "--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1]))
    try:
        code, text = _medpatch("up", *work, *places)
        assert code == 0, text
        yield Services(f"http://{HOST}:{ports[0]}/api", work_dir, tree)
    finally:
        _medpatch("down", *work)


def _settled(services: Services, **more: object) -> RunContext:
    return settle(PRESET, raw_dir=services.raw_dir, work_dir=services.work_dir, overrides={**QUICK, **more})


def _finished_parents(run: RunContext) -> list[str]:
    """MLflow runs that finished and are nobody's child."""
    client = open_tracking(run.paths).client()
    experiments = [one.experiment_id for one in client.search_experiments()]
    found = client.search_runs(experiments, "attributes.status = 'FINISHED'", max_results=1000)
    return [one.info.run_id for one in found if "mlflow.parentRunId" not in one.data.tags]


@pytest.mark.timeout(400)
def test_data_are_made_by_the_worker_of_one_queue_and_models_by_that_of_the_other(services: Services) -> None:
    given = {"preset": PRESET, "overrides": QUICK}
    run = _settled(services)
    in_the_way = run.model_dir
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("a file where the worker needs a folder")

    code, text = services.run("medpatch/full-pipeline-gpu", **given)
    assert code == 1, text[-3000:]
    [first], [child] = services.flow_runs("medpatch"), services.flow_runs("evaluate")
    assert (first.state_name, child.state_name) == ("Failed", "Failed")
    assert "ChildRunError: hand-over: train-fusion failed" in first.state.message
    assert str(child.id) in first.state.message

    in_the_way.unlink()
    code, text = services.run("medpatch/full-pipeline-gpu", **given)
    assert code == 0, text[-3000:]
    assert "medpatch" in read_metrics(run.report_dir)
    _, parent = services.flow_runs("medpatch")
    _, child = services.flow_runs("evaluate")
    assert services.steps(first)[: len(DATA_STEPS)] == DATA_STEPS
    *own, _ = services.steps(parent)  # the last stands for the other run
    assert own == [*DATA_STEPS, "hand-over"]
    models = services.steps(child)
    assert not {*DATA_STEPS} & {*models}
    assert {"train-unimodal-ehr", "train-fusion", "predict", "report", "track"} <= {*models}
    assert (parent.work_queue_name, child.work_queue_name) == ("default", "gpu")
    assert (services.taken_by(parent), services.taken_by(child)) == ([WORKER], [GPU_WORKER])
    assert _finished_parents(run) == [json.loads((run.run_dir / RECORD).read_text())["run_id"]]

    # with nothing to do nothing is handed over
    code, text = services.run("medpatch/full-pipeline-gpu", **given)
    assert code == 0, text[-3000:]
    assert "hand-over" not in services.steps(services.flow_runs("medpatch")[-1])
    assert len(services.flow_runs("evaluate")) == 2


@pytest.mark.timeout(280)
def test_deployed_full_pipeline_is_run_to_its_end_by_one_worker(services: Services) -> None:
    before = len(services.flow_runs("evaluate"))
    code, text = services.run("medpatch/full-pipeline", overrides={**QUICK, "train.seed": 3})
    assert code == 0, text[-3000:]
    assert "Completed" in text
    assert "medpatch" in read_metrics(_settled(services, **{"train.seed": 3}).report_dir)
    assert "train-fusion" in services.steps(services.flow_runs("medpatch")[-1])
    assert len(services.flow_runs("evaluate")) == before


def _child_at_work(services: Services, *, earlier: int) -> tuple[FlowRun, FlowRun]:
    """The newest run of the pipeline and the one that it waits for, when that one trains."""
    for _ in range(900):
        children = services.flow_runs("evaluate")
        if len(children) > earlier and any(name.startswith("train-") for name in services.steps(children[-1])):
            return services.flow_runs("medpatch")[-1], children[-1]
        time.sleep(0.2)
    raise AssertionError("no run was handed over and began to train")


def _ended(services: Services, flow: str) -> FlowRun:
    """The newest run of a flow, when it has ended."""
    for _ in range(900):
        newest = services.flow_runs(flow)[-1]
        if newest.state is not None and newest.state.is_final():
            return newest
        time.sleep(0.2)
    raise AssertionError(f"{flow} goes on and on")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_run_that_was_killed_while_it_waited_is_run_again_beside_the_other(services: Services) -> None:
    given = {"preset": PRESET, "overrides": {**QUICK, "train.fusion_epochs": 30, "train.seed": 6}}
    earlier = len(services.flow_runs("evaluate"))
    assert services.run("medpatch/full-pipeline-gpu", watch=False, **given)[0] == 0
    parent, child = _child_at_work(services, earlier=earlier)
    entry = json.loads((services.work_dir / "service" / "run" / f"{parent.id}.json").read_text())
    os.kill(entry["pid"], signal.SIGKILL)
    assert _ended(services, "medpatch").state_name == "Crashed"

    code, text = services.run("medpatch/full-pipeline-gpu", **given)
    assert code == 0, text[-3000:]
    *_, first, second = services.flow_runs("evaluate")
    # the first went on, the second waited for it and found all done
    assert first.id == child.id
    assert (first.state_name, second.state_name) == ("Completed", "Completed")
    assert first.end_time <= second.start_time
    assert services.steps(second) == []
    run = _settled(services, **given["overrides"])
    assert _finished_parents(run).count(json.loads((run.run_dir / RECORD).read_text())["run_id"]) == 1


@pytest.mark.long
@pytest.mark.timeout(300)
def test_cancelling_the_run_that_waits_cancels_the_other(services: Services) -> None:
    endless = {**QUICK, "train.unimodal_epochs": 10_000, "train.patience_epochs": 10_000, "train.seed": 7}
    earlier = len(services.flow_runs("evaluate"))
    assert services.run("medpatch/full-pipeline-gpu", watch=False, preset=PRESET, overrides=endless)[0] == 0
    parent, _ = _child_at_work(services, earlier=earlier)
    with SyncPrefectClient(api=services.api) as client:
        client.set_flow_run_state(parent.id, Cancelling())
    assert _ended(services, "medpatch").state_name == "Cancelled"
    assert _ended(services, "evaluate").state_name == "Cancelled"
