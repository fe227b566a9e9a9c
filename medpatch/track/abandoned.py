"""MLflow runs that a killed process could not close."""

import logging
from collections.abc import Iterable

from medpatch.track.find import RUNNING
from medpatch.track.run import Tracking

MOST_CHILDREN = 10_000
"""Trials or models below one run: more than there are."""

logger = logging.getLogger(__name__)


def close_runs(tracking: Tracking, run_ids: Iterable[str]) -> int:
    """Mark those runs and all below them KILLED if they are still RUNNING; how many were."""
    from mlflow.exceptions import MlflowException

    client, closed = tracking.client(), 0
    for run_id in run_ids:
        try:
            parent = client.get_run(run_id)
        except MlflowException:  # of another store
            continue
        if parent.info.lifecycle_stage != "active":  # deleted meanwhile, and nobody may end it
            continue
        below = [parent]
        while below:
            run = below.pop()
            query = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
            below += client.search_runs([run.info.experiment_id], query, max_results=MOST_CHILDREN)
            if run.info.status == RUNNING:
                client.set_terminated(run.info.run_id, status="KILLED")
                closed += 1
    if closed:
        logger.info("%d mlflow runs were left open by a killed process: marked KILLED", closed)
    return closed
