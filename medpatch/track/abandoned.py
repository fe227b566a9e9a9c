"""MLflow runs that a killed process could not close."""

import logging
from collections.abc import Iterable

from medpatch.track.run import Tracking

logger = logging.getLogger(__name__)


def close_runs(tracking: Tracking, run_ids: Iterable[str]) -> int:
    """Mark those runs and the children below them KILLED if they are still RUNNING; how many were."""
    from mlflow.exceptions import MlflowException

    client, closed = tracking.client(), 0
    for run_id in run_ids:
        try:
            parent = client.get_run(run_id)
        except MlflowException:  # deleted meanwhile, or of another store
            continue
        children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
        for run in (parent, *children):
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, status="KILLED")
                closed += 1
    if closed:
        logger.info("%d mlflow runs were left open by a killed process: marked KILLED", closed)
    return closed
