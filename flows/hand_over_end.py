"""How a flow run that another one waited for ended: where, why, and what to do."""

import re

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, StateType
from prefect.client.schemas.sorting import ArtifactSort, TaskRunSort
from prefect.utilities.urls import url_for

from flows.failure import KEY, shown_failure
from medpatch.config import error as errors
from medpatch.config.error import MedPatchError

AGAIN = "then run this one again: what is finished is reused"
WAYS = {
    StateType.FAILED: ("failed", "an unexpected error", "mend the cause (its page and log have more)"),
    StateType.CRASHED: (
        "crashed",
        "its process ended in the middle (killed, out of memory, or its machine went away)",
        "look at its log and that of its worker",
    ),
    StateType.CANCELLED: ("was cancelled", "somebody, or the end of another run, asked for it", "see to it"),
}
"""State of the other run -> what happened, why if nothing better is known, and what to do."""


def named(run: FlowRun) -> str:
    """A flow run by name and page, or by name and id where there is no page."""
    return f"flow run {run.name} ({url_for('flow-run', obj_id=run.id) or run.id})"


def how_it_ended(client: SyncPrefectClient, run: FlowRun) -> str:
    """Stage, cause and remedy of a run that did not complete.

    Only words of ours are quoted: an error of a library may hold values of a patient.
    """
    ended, cause, remedy = WAYS[run.state_type]
    stage = last_step(client, run) or "the start"
    if run.state_type is StateType.FAILED:
        shown = newest_artifact(client, run, kind="markdown", key=KEY)
        found = shown_failure(str(shown.data)) if shown is not None else None
        if found is not None:
            stage, cause = found
        else:
            cause = _own_error(run) or cause
    return f"{stage} {ended} in {named(run)}: {cause}; {remedy}, {AGAIN}"


def newest_artifact(client: SyncPrefectClient, run: FlowRun, *, kind: str, key: str | None = None) -> Artifact | None:
    """The artifact of that type, and of that key if one is given, that a flow run wrote last."""
    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]),
        type=ArtifactFilterType(any_=[kind]),
        **({} if key is None else {"key": ArtifactFilterKey(any_=[key])}),
    )
    found = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.UPDATED_DESC, limit=1)
    return found[0] if found else None


def last_step(client: SyncPrefectClient, run: FlowRun) -> str | None:
    """Name of the task that a flow run began last; None before the first."""
    its = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    newest = client.read_task_runs(flow_run_filter=its, sort=TaskRunSort.EXPECTED_START_TIME_DESC, limit=1)
    return newest[0].name if newest else None


def _own_error(run: FlowRun) -> str | None:
    """The message of an error that we raised on purpose, outside of every step."""
    found = re.search(r"exception: (\w+): (.+)", run.state.message or "" if run.state else "", re.DOTALL)
    kind = getattr(errors, found[1], None) if found else None
    return found[2] if isinstance(kind, type) and issubclass(kind, MedPatchError) else None
