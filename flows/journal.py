"""Which process works on which run, so that the next one can close what a killed process left open."""

import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from flows.process import birth, is_alive
from medpatch.config.path import PathConfig
from medpatch.contract.artifact import replace_text

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
    earlier = _read(_folder(paths) / f"{own}.json")
    _write(paths, own, mlflow_runs=earlier["mlflow_runs"] if earlier else [])


def note_mlflow_run(paths: PathConfig, run_id: str) -> None:
    """Add the MLflow run that this process has opened to its entry."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    file = _folder(paths) / f"{context.flow_run.id}.json"
    earlier = _read(file) or {"mlflow_runs": []}
    _write(paths, str(context.flow_run.id), mlflow_runs=[*earlier["mlflow_runs"], run_id])


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
    for file, entry in _dead(paths):
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


def _dead(paths: PathConfig) -> Iterator[tuple[Path, dict]]:
    for file in sorted(_folder(paths).glob("*.json")):
        entry = _read(file)
        if entry is None:
            file.unlink(missing_ok=True)
        elif entry["host"] == socket.gethostname() and not is_alive(entry["pid"], entry["birth"]):
            yield file, entry


def _folder(paths: PathConfig) -> Path:
    return paths.work_dir / "service" / "run"


def _read(file: Path) -> dict | None:
    try:
        entry = json.loads(file.read_text())
        return entry if {"host", "pid", "birth", "flow_run", "mlflow_runs"} <= entry.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _write(paths: PathConfig, flow_run: str, *, mlflow_runs: list[str]) -> None:
    _folder(paths).mkdir(parents=True, exist_ok=True)
    entry = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "birth": birth(os.getpid()),
        "flow_run": flow_run,
        "mlflow_runs": mlflow_runs,
    }
    replace_text(_folder(paths) / f"{flow_run}.json", json.dumps(entry))
