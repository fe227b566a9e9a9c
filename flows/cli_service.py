"""Commands around the pipeline: the services, and rotation of the work folder."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from flows.cli_option import MlflowPort, PrefectPort, RawDir, WorkDir, existing_paths, named_errors, paths_of


def up(
    work_dir: WorkDir = None,
    raw_dir: RawDir = None,
    *,
    prefect_port: PrefectPort = None,
    mlflow_port: MlflowPort = None,
    worker_limit: Annotated[int, typer.Option(min=1, help="flow runs that each worker takes at a time")] = 1,
    gpu_worker: Annotated[
        bool, typer.Option(help="a worker for the queue gpu here too; without it another machine takes from that queue")
    ] = True,
) -> None:
    """Start the Prefect and MLflow servers and two workers on 127.0.0.1, deploy everything, print the addresses."""
    with named_errors():
        paths = paths_of(raw_dir, work_dir)
        from flows.board import print_up
        from flows.service import Wanted, up

        ports = {"prefect_port": prefect_port, "mlflow_port": mlflow_port}
        wanted = Wanted(**ports, worker_limit=worker_limit, has_gpu_worker=gpu_worker)
        print_up(up(paths, wanted, say=Console().print))


def down(work_dir: WorkDir = None) -> None:
    """Stop what `up` started for this work folder, and nothing else."""
    with named_errors():
        from flows.service import down

        count = down(existing_paths(work_dir))
        Console().print(f"stopped {count} processes" if count else "nothing of this work folder was running")


def status(work_dir: WorkDir = None) -> None:
    """Say what of `up` runs; exit code 1 if not everything does."""
    with named_errors():
        from flows.board import print_status

        if not print_status(existing_paths(work_dir)):
            sys.exit(1)


def gc(
    work_dir: WorkDir = None,
    keep: Annotated[int, typer.Option(min=1, help="runs of each preset that are kept with all they need")] = 1,
    *,
    older_than_hours: Annotated[float, typer.Option(min=0, help="leave alone what changed more recently")] = 24.0,
    delete: Annotated[bool, typer.Option("--delete", help="remove them; without it they are only listed")] = False,
) -> None:
    """List the folders that neither a run at work nor the newest of each preset needs; --delete removes them."""
    with named_errors():
        from flows.board import print_garbage
        from flows.collect import find_garbage, remove

        found = find_garbage(existing_paths(work_dir).work_dir, keep=keep, younger_hours=older_than_hours)
        print_garbage(found)
        if delete:
            Console().print(f"freed {remove(found) / 1e9:.2f} GB")
