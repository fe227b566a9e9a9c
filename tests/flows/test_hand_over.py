"""A run that hands over ends as the other run ended, says why, and refuses beforehand where nobody could take it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Cancelled, Completed, Crashed, Failed, Running, State
from typer.testing import CliRunner

from flows.align import align
from flows.cli import app
from flows.deploy import POOL
from flows.failure import KEY
from flows.gpu import GPU
from flows.hand_over import hand_over, settle_training, still_to_refresh
from medpatch.config.error import ChildRunError, ConfigError, ContractError, ServiceError
from medpatch.config.path import PathConfig
from medpatch.config.preset import PresetName, tiny_phenotyping
from medpatch.config.runner import RunnerConfig, Training
from medpatch.contract.refresh import Step

ELSEWHERE = RunnerConfig(training=Training.GPU_QUEUE)
TOLD = "**Step** train-fusion\n\n**Cause** out of memory; lower train.batch_size\n\n**What to do** Go on.\n"


@flow(name="evaluate")
def _evaluate() -> None:
    """Stands for the flow that nobody runs here."""


@flow(name="hands-over")
def _parent(run: Any, overrides: dict[str, Any], refresh: tuple[Step, ...] = ()) -> None:
    hand_over(run, "tensors")


@flow(name="settles")
def _settle(hands_over: bool = True) -> RunnerConfig:
    return settle_training(ELSEWHERE, hands_over=hands_over)


@pytest.fixture
def deployment(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Id of `evaluate/evaluate` on the queue gpu, which no worker takes from."""
    monkeypatch.setattr("flows.hand_over.POLL_SECONDS", 0.05)
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
            client.create_work_queue(name=GPU, work_pool_name=POOL)
        except ObjectAlreadyExists:
            pass
        of = {"flow_id": client.create_flow(_evaluate), "name": "evaluate"}
        made = client.create_deployment(**of, work_pool_name=POOL, work_queue_name=GPU)
        yield made
        client.delete_deployment(made)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """As much of a RunContext as handing over looks at."""
    monkeypatch.setattr("flows.hand_over.whole_inputs", lambda *_: "inputs")
    paths = PathConfig(raw_dir=tmp_path / "raw", work_dir=tmp_path, tracking_uri="sqlite://")
    preset = PresetName.tiny_phenotyping
    known = {"config": tiny_phenotyping(), "data_digest": "0123456789ab"}
    return SimpleNamespace(preset=preset, paths=paths, runner=ELSEWHERE, run_dir=tmp_path / "run-1", **known)


Act = Callable[[SyncPrefectClient, FlowRun], None]


def _to(*states: State) -> Act:
    def act(client: SyncPrefectClient, child: FlowRun) -> None:
        for state in states:
            client.set_flow_run_state(child.id, state, force=True)

    return act


def _explained(client: SyncPrefectClient, child: FlowRun) -> None:
    client.create_artifact(ArtifactCreate(key=KEY, type="markdown", data=TOLD, flow_run_id=child.id))
    _to(Failed(message="Flow run encountered an exception: RuntimeError: 36.6"))(client, child)


def _end_child(deployment: Any, act: Act, found: list[FlowRun]) -> None:
    """Wait until the deployment has a run, then do that with it."""
    its = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    with get_client(sync_client=True) as client:
        for _ in range(600):
            found += client.read_flow_runs(deployment_filter=its)
            if found:
                return act(client, found[0])
            time.sleep(0.05)


def _hand_over(run: Any, deployment: Any, act: Act, **given: Any) -> FlowRun:
    """The other run, after the one that waits for it has ended as it should."""
    found: list[FlowRun] = []
    ender = threading.Thread(target=_end_child, args=(deployment, act, found))
    ender.start()
    try:
        _parent(run, **given, overrides={"train.seed": 3})
    finally:
        ender.join()
    return found[0]


OURS = "Flow run encountered an exception: RawDataError: patients.csv.gz: 0 bytes"
THEIRS = "Flow run encountered an exception: ValueError: 36.6"


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (_explained, "train-fusion failed .*: out of memory; lower train.batch_size; .*run this one again"),
        (_to(Running(), Failed(message=OURS)), "the start failed .*: patients.csv.gz: 0 bytes; "),
        (_to(Running(), Failed(message=THEIRS)), "the start failed .*: an unexpected error; "),
        (_to(Running(), Crashed(message="killed")), "crashed .*its process ended in the middle"),
        (_to(Cancelled()), "was cancelled "),
    ],
    ids=["explained", "before a step", "unexpected", "crashed", "cancelled"],
)
def test_a_run_ends_as_the_one_it_waits_for_and_says_where_why_and_what_to_do(
    run: Any, deployment: Any, act: Act, words: str
) -> None:
    with pytest.raises(ChildRunError, match=f"^hand-over: .*{words}") as caught:
        _hand_over(run, deployment, act)
    with get_client(sync_client=True) as client:
        [child] = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])))
    assert f"flow run {child.name} (" in str(caught.value)
    assert str(child.id) in str(caught.value)
    assert "36.6" not in str(caught.value)


def test_a_run_that_finished_elsewhere_than_in_our_work_folder_is_no_success(run: Any, deployment: Any) -> None:
    with pytest.raises(ContractError, match="same .*work folder.*same version of medpatch"):
        _hand_over(run, deployment, _to(Running(), Completed()))


def test_the_other_run_gets_what_this_one_was_given_and_hands_nothing_over(
    run: Any, deployment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.hand_over.recorded_run", lambda *_: "there")
    child = _hand_over(run, deployment, _to(Running(), Completed()), refresh=(Step.ALIGN,))
    assert child.parameters == {
        "preset": "tiny_phenotyping",
        "raw_dir": str(run.paths.raw_dir),
        "work_dir": str(run.paths.work_dir),
        "overrides": {"train.seed": 3},
        "refresh": ["train"],
        "runner": RunnerConfig().model_dump(mode="json"),
    }
    assert child.work_queue_name == GPU
    assert child.parent_task_run_id is not None


@pytest.mark.parametrize(
    ("steps", "left"),
    [((), []), (("extract",), ["train"]), (("evaluate", "align"), ["train"]), (("evaluate",), ["evaluate"])],
)
def test_data_are_made_again_before_and_only_the_rest_after_handing_over(
    steps: tuple[Step, ...], left: list[str]
) -> None:
    assert still_to_refresh(steps) == left


def test_without_the_deployment_it_is_refused_with_what_to_do(prefect_server: None) -> None:
    with pytest.raises(ServiceError, match="no deployment evaluate/evaluate.*medpatch up"):
        _settle()


def test_without_a_worker_on_the_queue_one_is_warned(
    deployment: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.hand_over.get_run_logger", lambda: logging.getLogger("seen"))
    with caplog.at_level(logging.WARNING, logger="seen"):
        assert _settle() == ELSEWHERE
    assert "no worker takes from queue gpu now (prefect worker start" in caplog.text


def test_a_run_that_the_gpu_worker_took_trains_where_it_is(deployment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = SimpleNamespace(flow_run=SimpleNamespace(work_pool_name=POOL, work_queue_name=GPU))
    monkeypatch.setattr("flows.hand_over.FlowRunContext", SimpleNamespace(get=lambda: own))
    monkeypatch.setattr("flows.hand_over.get_run_logger", lambda: logging.getLogger("seen"))
    assert settle_training(ELSEWHERE, hands_over=True) == RunnerConfig()


def test_a_flow_that_hands_nothing_over_refuses_the_setting(tree: Path, prefect_server: None, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="runner.training: gpu_queue is for runs of the whole pipeline"):
        align(PresetName.tiny_phenotyping, raw_dir=tree, work_dir=tmp_path, runner=ELSEWHERE)


def test_a_command_without_a_server_that_stays_is_refused_before_anything_runs(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setattr("flows.cli_option.set_up_environment", lambda _: None)
    places = ["--raw-dir", str(tree), "--work-dir", str(tmp_path / "work")]
    result = CliRunner().invoke(app, ["run", *places, "--training", "gpu_queue"])
    assert result.exit_code == 1
    assert "needs a Prefect server that stays and a worker on its queue gpu" in result.output
    assert list((tmp_path / "work").iterdir()) == []


def test_a_command_that_does_not_end_with_the_report_has_nothing_to_hand_over() -> None:
    result = CliRunner().invoke(app, ["align", "--training", "gpu_queue"])
    assert result.exit_code == 2
    assert "is for run and evaluate" in result.output
