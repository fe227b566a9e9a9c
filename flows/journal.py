"""Which process works on which run, so that the next one can close what a killed process left open."""

import logging

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from flows.entry import dead_entries, noted_runs, write_entry
from medpatch.config.path import PathConfig

logger = logging.getLogger(__name__)

LEFT_OPEN = ("RUNNING", "PENDING", "CANCELLING")


def open_entry(paths: PathConfig, *, name: str | None = None) -> None:
    """Close what dead processes left, name this flow run, then write down this process and it.

    Args:
        paths: of the run.
        name: of the flow run from now on; None leaves the one it has.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    own = str(context.flow_run.id)
    with get_client(sync_client=True) as client:
        close_abandoned(paths, client, own=own)
        if name is not None:
            client.update_flow_run(context.flow_run.id, name=name)
    write_entry(paths, own, mlflow_runs=noted_runs(paths, own))


def note_mlflow_run(paths: PathConfig, run_id: str) -> None:
    """Add the MLflow run that this process has opened to its entry."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    own = str(context.flow_run.id)
    write_entry(paths, own, mlflow_runs=[*noted_runs(paths, own), run_id])


def close_abandoned(paths: PathConfig, client: SyncPrefectClient, *, own: str | None = None) -> int:
    """Mark the runs of dead processes of this machine: Crashed in Prefect, KILLED in MLflow; how many were open.

    A work folder may be shared: what another machine began is for that machine to close.

    A crashed flow run also gives back the slot of its deployment.

    Args:
        paths: of the work folder.
        client: of the server.
        own: flow run that this process continues, after a "Retry" of one that a process now dead began.
    """
    closed = 0
    for file, entry in dead_entries(paths):
        if entry["flow_run"] != own:
            closed += _crash(client, entry["flow_run"])
        if entry["mlflow_runs"]:
            from medpatch.track.abandoned import close_runs
            from medpatch.track.run import open_tracking

            closed += close_runs(open_tracking(paths), entry["mlflow_runs"])
        file.unlink(missing_ok=True)
    return closed


def _crash(client: SyncPrefectClient, flow_run: str) -> int:
    try:
        state = client.read_flow_run(flow_run).state
    except ObjectNotFound:  # of another server
        return 0
    if state is None or state.type.value not in LEFT_OPEN:
        return 0
    message = "its process was killed; run it again: finished steps are reused"
    client.set_flow_run_state(flow_run, Crashed(message=message), force=True)
    logger.info("flow run %s was left open by a killed process: marked Crashed", flow_run)
    return 1
