"""What a person reads after `medpatch up` and `medpatch status`."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from flows.collect import Candidate
from flows.record import MLFLOW, PREFECT, Record, record_file
from flows.service import status
from medpatch.config.path import PathConfig
from medpatch.track.experiment import WORKFLOW


def print_up(record: Record) -> None:
    """The addresses, the deployments, and what to type next."""
    from flows.deploy import deployments

    prefect, mlflow = record.services[PREFECT].address, record.services[MLFLOW].address
    console = Console()
    console.print(f"Prefect      {prefect}")
    console.print(f"MLflow       {mlflow}/#/experiments?{WORKFLOW}")
    console.print(f"models       {mlflow}/#/models?{WORKFLOW}")
    console.print(f"deployments  {', '.join(deployments(f'{prefect}/api'))}", soft_wrap=True)
    console.print(
        f"run one      PREFECT_API_URL={prefect}/api .venv/bin/prefect deployment run medpatch/full-pipeline --watch",
        soft_wrap=True,
    )
    console.print("stop all     medpatch down   (make down)")


def print_status(paths: PathConfig) -> bool:
    """A table of the services; True if there are some and all are well."""
    rows = status(paths)
    console = Console()
    if not rows:
        console.print(f"nothing was started from {record_file(paths).parents[1]}; `medpatch up` does", soft_wrap=True)
        return False
    table = Table("service", "state", "address or log", box=None)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return all(state == "runs" for _, state, _ in rows)


def print_garbage(found: Sequence[Candidate]) -> None:
    """The folders that nothing needs, their size, and the sum."""
    console = Console()
    if not found:
        console.print("nothing to remove: every folder is needed, or too young")
        return
    table = Table("folder", "GB", "why", box=None)
    for one in found:
        table.add_row(one.folder.name, f"{one.size_bytes / 1e9:.2f}", one.reason)
    table.add_row("", f"{sum(one.size_bytes for one in found) / 1e9:.2f}", f"{len(found)} folders")
    console.print(table)
