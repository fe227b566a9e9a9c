"""The files of the journal, one per flow run: its process and the MLflow runs that it opened; loads no prefect."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flows.process import birth, is_alive
from medpatch.config.path import PathConfig
from medpatch.contract.artifact import replace_text

FIELDS = {"host", "pid", "birth", "flow_run", "mlflow_runs"}


def dead_entries(paths: PathConfig) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Files and entries of this machine's processes that are gone; a file that cannot be read is removed."""
    for file in sorted(_folder(paths).glob("*.json")):
        entry = _read(file)
        if entry is None:
            file.unlink(missing_ok=True)
        elif entry["host"] == socket.gethostname() and not is_alive(entry["pid"], entry["birth"]):
            yield file, entry


def noted_runs(paths: PathConfig, flow_run: str) -> list[str]:
    """MLflow runs that are written down of that flow run; none if it has no entry."""
    entry = _read(_folder(paths) / f"{flow_run}.json")
    return entry["mlflow_runs"] if entry else []


def write_entry(paths: PathConfig, flow_run: str, *, mlflow_runs: Sequence[str]) -> None:
    """Write down that this process works on that flow run."""
    _folder(paths).mkdir(parents=True, exist_ok=True)
    entry = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "birth": birth(os.getpid()),
        "flow_run": flow_run,
        "mlflow_runs": list(mlflow_runs),
    }
    replace_text(_folder(paths) / f"{flow_run}.json", json.dumps(entry))


def _folder(paths: PathConfig) -> Path:
    return paths.work_dir / "service" / "run"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        entry = json.loads(file.read_text())
        return entry if entry.keys() >= FIELDS else None
    except (OSError, ValueError, AttributeError):
        return None
