"""Runs that are there already: whether a store still holds one, and where its page is."""

import importlib.util
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from medpatch.track.experiment import WORKFLOW, runs_page
from medpatch.track.run import SQLITE, TrackedRun, Tracking

RUNNING = "RUNNING"
SCHEMA = re.compile(r"out-of-date database schema \(found version (?P<revision>\w+),")


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
    return _status(tracking, run_id) is not None


def has_open_run(tracking: Tracking, run_ids: Iterable[str]) -> bool:
    """True if one of these runs was never ended; False of a server, which may be down and is not worth the wait."""
    return tracking.uri.startswith(SQLITE) and any(_status(tracking, run_id) == RUNNING for run_id in run_ids)


def _status(tracking: Tracking, run_id: str) -> str | None:
    """Of a run in a sqlite file, or None if it is not there or deleted."""
    file = Path(tracking.uri.removeprefix(SQLITE))
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            query = "SELECT status FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
            row = store.execute(query, (run_id,)).fetchone()
            return row and row[0]
    except sqlite3.Error:
        return None


def is_of_newer_mlflow(message: str) -> bool:
    """True if that is MLflow's message about a schema, and the schema is none that the installed version knows.

    MLflow calls every schema but its own out of date, and an upgrade of a newer one fails.
    """
    found = SCHEMA.search(message)
    if found is None:
        return False
    home = Path(importlib.util.find_spec("mlflow").submodule_search_locations[0])
    return not any((home / "store" / "db_migrations" / "versions").glob(f"{found['revision']}_*.py"))


def run_page(run: TrackedRun, *, server: str | None, below: str = "") -> str | None:
    """Address of the run's page: on the tracking server, else on a local one, else None.

    Args:
        run: any run.
        server: address of a server of the same store, if one runs.
        below: place within the page, for example "/artifacts/report/index.html".
    """
    base = _server(run, server)
    return None if base is None else f"{base}#/experiments/{run.experiment_id}/runs/{run.run_id}{below}?{WORKFLOW}"


def table_page(run: TrackedRun, *, server: str | None) -> str | None:
    """Address of the table of all runs of the same task, chosen as `run_page` chooses."""
    base = _server(run, server)
    return None if base is None else runs_page(base, run.experiment_id)


def _server(run: TrackedRun, server: str | None) -> str | None:
    base = run.tracking.uri if run.tracking.uri.startswith(("http://", "https://")) else server
    return None if base is None else f"{base.rstrip('/')}/"
