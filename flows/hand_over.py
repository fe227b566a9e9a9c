"""What follows alignment, done by a run of the deployment `evaluate/evaluate`, which a worker with a GPU takes.

The run that hands over waits and ends as the other one ends. It holds no lock meanwhile, and the other one is reused
like any run: whoever is killed, the same thing run again finds what is finished. Two such runs take turns, by the
deployment's limit, and the second finds nothing left to do.
"""

import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger

from flows.collect import note_use
from flows.context import RunContext
from flows.failure import explained
from flows.finished import current_tables, current_tensors, recorded_run, whole_inputs
from flows.hand_over_end import how_it_ended, last_step, named, newest_artifact
from flows.step import step
from medpatch.config.error import ChildRunError, ConfigError, ContractError, ServiceError
from medpatch.config.runner import RunnerConfig, Training
from medpatch.contract.refresh import Step
from medpatch.track.run import run_mark

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

DEPLOYMENT = "evaluate/evaluate"
POLL_SECONDS = 3.0
SAY_SECONDS = 30.0
"""Progress of the other run is passed on so often; that it began another step, at once."""
POLLED_SECONDS = 60.0
"""A worker looks into its queue every ten seconds or more often."""
LOST_SECONDS = 120.0
"""Without an answer of the server for so long, the wait ends as a failure."""
WAITS_FOR_A_SLOT = "AwaitingConcurrencySlot"


def settle_training(runner: RunnerConfig, *, hands_over: bool) -> RunnerConfig:
    """The runner as this flow run can use it; asked before anything is done.

    A run that a worker took from the queue in question trains where it is: handing over, it would keep the place
    that the other run needs.

    Raises:
        ConfigError: the flow hands nothing over.
        ServiceError: the server does not know the deployment.
    """
    if runner.training is Training.HERE:
        return runner
    if not hands_over:
        raise ConfigError(
            f"runner.training: {runner.training} is for runs of the whole pipeline (full-pipeline, nightly, `medpatch "
            f"run`), and this flow does its steps where it runs; set it to {Training.HERE}"
        )
    with explained("hand-over"), get_client(sync_client=True) as client:
        deployment = _deployment(client)
        context = FlowRunContext.get()
        own = context.flow_run if context else None
        queue = (deployment.work_pool_name, deployment.work_queue_name)
        if own is not None and (own.work_pool_name, own.work_queue_name) == queue:
            get_run_logger().info("this run was itself taken from queue %s: it trains here", deployment.work_queue_name)
            return runner.model_copy(update={"training": Training.HERE})
        if not _is_polled(client, deployment):
            get_run_logger().warning("%s; training will wait for one", _nobody(deployment))
    return runner


@step("hand-over")
def hand_over(run: RunContext, tensors: str) -> None:
    """Have the other run do everything from the tensors to the report; returns when it has.

    Args:
        run: whose tensors are there.
        tensors: their fingerprint.

    Raises:
        ChildRunError: the other run failed, crashed or was cancelled.
        ContractError: it finished, and its report is not to be seen from here.
    """
    from prefect.deployments import run_deployment

    given = FlowRunContext.get().parameters
    parameters = {
        "preset": run.preset,
        "raw_dir": str(run.paths.raw_dir),
        "work_dir": str(run.paths.work_dir),
        "overrides": given.get("overrides") or {},
        "refresh": still_to_refresh(given.get("refresh") or ()),
        "runner": run.runner.model_copy(update={"training": Training.HERE}).model_dump(mode="json"),
    }
    name = f"{run.preset} {run_mark(run.config, run.data_digest)}"
    child = run_deployment(DEPLOYMENT, parameters=parameters, flow_run_name=name, timeout=0)
    get_run_logger().info("training, evaluation and report are handed over to %s", named(child))
    try:
        ended = _wait(child)
    except KeyboardInterrupt:
        get_run_logger().warning("%s goes on; cancel it in its page if it should not", named(child))
        raise
    if ended.state_type is not StateType.COMPLETED:
        with get_client(sync_client=True) as client:
            raise ChildRunError(how_it_ended(client, ended))
    if recorded_run(run, whole_inputs(run, tensors)) is None:
        raise ContractError(
            f"{named(child)} finished, but no report of this run is in {run.run_dir}; both machines must see the same "
            "raw files (unchanged meanwhile) and work folder under the same paths, name the same "
            f"MLFLOW_TRACKING_URI (here {run.paths.shown_tracking_uri}) and run the same version of medpatch"
        )


def still_to_refresh(steps: Collection[Step]) -> list[str]:
    """What of these steps is left for the other run: the data are made again here."""
    order = list(Step)
    first = min((order.index(Step(one)) for one in steps), default=len(order))
    return [str(one) for one in order[max(first, order.index(Step.TRAIN)) :][:1]]


def ready_tensors(run: RunContext) -> str:
    """Fingerprint of the tensors that the run which started this one has made; nothing for any other run.

    Nothing also where they are not current, as while a step is done again: then every step is looked at.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.parent_task_run_id is None:
        return ""
    tables = current_tables(run)
    tensors = current_tensors(run, tables) if tables else ""
    if tensors:
        get_run_logger().info("tables and tensors are there and current: %s", run.data_dir.name)
        note_use(run, (run.staging_dir, run.data_dir))
    return tensors


def _deployment(client: SyncPrefectClient) -> "DeploymentResponse":
    try:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        deployment = None
    if deployment is None or deployment.work_queue_name is None:
        raise ServiceError(
            f"runner.training is {Training.GPU_QUEUE}, and the Prefect server at {client.api_url} knows no deployment "
            f"{DEPLOYMENT} with a work queue; `medpatch up` registers it (elsewhere `prefect deploy --all`), or set "
            f"runner.training to {Training.HERE}"
        )
    return deployment


def _is_polled(client: SyncPrefectClient, deployment: "DeploymentResponse") -> bool:
    """True if a worker has looked into the deployment's queue within the last minute."""
    queue = client.read_work_queue_by_name(deployment.work_queue_name, work_pool_name=deployment.work_pool_name)
    polled = queue.last_polled
    return polled is not None and (datetime.now(UTC) - polled).total_seconds() <= POLLED_SECONDS


def _nobody(deployment: "DeploymentResponse") -> str:
    return (
        f"no worker takes from queue {deployment.work_queue_name} now (prefect worker start --pool "
        f"{deployment.work_pool_name} --work-queue {deployment.work_queue_name} starts one)"
    )


def _wait(child: FlowRun) -> FlowRun:
    """The child when it has ended; meanwhile what it does is logged."""
    log, said, told = get_run_logger(), "", time.monotonic()
    answered = told
    with get_client(sync_client=True) as client:
        while True:
            try:
                child = client.read_flow_run(child.id)
                if child.state is not None and child.state.is_final():
                    return child
                doing, answered = _doing(client, child), time.monotonic()
                if doing != said:
                    log.info("%s: %s", named(child), doing)
                    said, told = doing, answered
                elif answered - told >= SAY_SECONDS:
                    progress = newest_artifact(client, child, kind="progress")
                    log.info("%s: %s", named(child), doing if progress is None else progress.description)
                    told = answered
            except httpx.TransportError:  # a server that is started anew is back within a minute
                if time.monotonic() - answered > LOST_SECONDS:
                    raise
            time.sleep(POLL_SECONDS)


def _doing(client: SyncPrefectClient, child: FlowRun) -> str:
    if child.state_name == WAITS_FOR_A_SLOT:
        return f"waits until another run of {DEPLOYMENT} has ended"
    deployment = _deployment(client)
    is_running, is_polled = child.state_type is StateType.RUNNING, _is_polled(client, deployment)
    if not is_running:
        queue = f"waits for a worker that takes from queue {deployment.work_queue_name}"
        return queue if is_polled else f"waits, as {_nobody(deployment)}"
    doing = last_step(client, child) or "begins"
    if is_polled:
        return doing
    return f"{doing}; its worker is not heard of: if the machine is gone, cancel that run, then run this one again"
