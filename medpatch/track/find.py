"""Runs that are there already: whether a store still holds one, and where its page is."""

import sqlite3
from contextlib import closing
from pathlib import Path

from medpatch.track.run import TrackedRun, Tracking

SQLITE = "sqlite:///"


def has_run(tracking: Tracking, run_id: str) -> bool:
    """True if the store holds that run; a store that was made anew does not.

    A sqlite file is asked directly: importing mlflow would take longer than everything else that a run with
    nothing to do needs.
    """
    if not tracking.uri.startswith(SQLITE):
        from mlflow.exceptions import MlflowException

        try:
            return tracking.client().get_run(run_id).info.lifecycle_stage == "active"
        except MlflowException:
            return False
    file = Path(tracking.uri.removeprefix(SQLITE))
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            query = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
            return store.execute(query, (run_id,)).fetchone() is not None
    except sqlite3.Error:
        return False


def run_page(run: TrackedRun, *, server: str | None) -> str | None:
    """Address of the run's page: on the tracking server, else on a local one, else None.

    Args:
        run: any run.
        server: address of a server of the same store, if one runs.
    """
    base = run.tracking.uri if run.tracking.uri.startswith(("http://", "https://")) else server
    return None if base is None else f"{base.rstrip('/')}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
