"""What the commands share: their options, the locations, and errors that end as one message."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from medpatch.config.error import ConfigError, MedPatchError, ServerLostError
from medpatch.config.path import PathConfig, set_up_environment
from medpatch.config.preset import PresetName
from medpatch.config.runner import Runner, RunnerConfig, Training
from medpatch.contract.refresh import Step

PRESET_NAMES = f"named configuration: {', '.join(PresetName)}"
STEP_HELP = f"do this step ({', '.join(Step)}) and all after it again although nothing changed; may be repeated"

Preset = Annotated[PresetName, typer.Option("--preset", "-p", metavar="NAME", help=PRESET_NAMES)]
RawDir = Annotated[
    Path | None,
    typer.Option(
        "--raw-dir",
        help="folder with the MIMIC data sets: mimiciv/, mimic-cxr-jpg/, mimic-iv-note/, or what PhysioNet's "
        "download leaves \\[default: MEDPATCH_RAW_DIR, else WORK/raw]",
    ),
]
WorkDir = Annotated[
    Path | None,
    typer.Option("--work-dir", help="folder for all outputs \\[default: MEDPATCH_WORK_DIR, else work]"),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", help="one field changed, e.g. --set train.seed=3; may be repeated; see `medpatch fields`"
    ),
]
Refresh = Annotated[
    list[Step] | None,
    typer.Option("--refresh", metavar="STEP", help=STEP_HELP),
]
RunnerName = Annotated[Runner, typer.Option("--runner", help="where the parts of a step run")]
DaskAddress = Annotated[
    str | None, typer.Option(help="scheduler of a running Dask cluster \\[default: a local one of two processes]")
]
TrainingPlace = Annotated[
    Training,
    typer.Option("--training", help="gpu_queue: training, evaluation and report are left to a worker on the queue gpu"),
]
LAST_PORT = 65535


def known_port(port: int | None) -> int | None:
    """The port that an option or its environment variable names.

    Raises:
        typer.BadParameter: there is no such port.
    """
    if port is not None and not 1 <= port <= LAST_PORT:
        raise typer.BadParameter(f"there is no port {port}; give one from 1 to {LAST_PORT}")
    return port


PrefectPort = Annotated[
    int | None,
    typer.Option(
        callback=known_port, envvar="MEDPATCH_PREFECT_PORT", help="port of the Prefect page \\[default: 4200]"
    ),
]
MlflowPort = Annotated[
    int | None,
    typer.Option(callback=known_port, envvar="MEDPATCH_MLFLOW_PORT", help="port of the MLflow page \\[default: 5000]"),
]


def show_version(is_wanted: bool) -> None:
    """What --version does."""
    if is_wanted:
        Console().print(f"medpatch {version('medpatch')}", highlight=False)
        raise typer.Exit


def paths_of(raw_dir: Path | None, work_dir: Path | None) -> PathConfig:
    """The locations, for a command that writes; the work folder is made."""
    paths = PathConfig.from_environment(raw_dir=raw_dir, work_dir=work_dir)
    paths.work_dir.mkdir(parents=True, exist_ok=True)
    set_up_environment(paths)
    return paths


def existing_paths(work_dir: Path | None) -> PathConfig:
    """The locations, for a command that only reads.

    Raises:
        ConfigError: there is no such work folder.
    """
    paths = PathConfig.from_environment(work_dir=work_dir)
    if not paths.work_dir.is_dir():
        raise ConfigError(
            f"{paths.work_dir}: there is no such work folder; `medpatch up` or a run makes it, or name another "
            "(--work-dir, MEDPATCH_WORK_DIR)"
        )
    set_up_environment(paths)
    return paths


def named_runner(runner: Runner, address: str | None, *, training: Training = Training.HERE) -> RunnerConfig | None:
    """The runner that the options ask for; None for work in this process.

    Raises:
        typer.BadParameter: an address without --runner dask.
    """
    if address is not None and runner is not Runner.DASK:
        raise typer.BadParameter("--dask-address needs --runner dask")
    chosen = RunnerConfig(runner=runner, address=address, training=training)
    return None if chosen == RunnerConfig() else chosen


@contextmanager
def named_errors() -> Iterator[None]:
    """Errors that we raise on purpose end as one readable message and exit code 1, not as a traceback."""
    try:
        yield
    except MedPatchError as error:
        _forget_frames(error)
        Console(stderr=True).print(f"[red]{type(error).__name__}[/red]: ", end="")
        Console(stderr=True, markup=False, highlight=False).print(str(error), soft_wrap=True)
        if isinstance(error, ServerLostError):
            # what prefect still wants to send would be tried again and again for minutes
            os._exit(1)
        sys.exit(1)


def _forget_frames(error: BaseException | None) -> None:
    """Let go of the frames of an error and of its causes.

    Prefect's background threads keep the error until the process ends, and the open database handles in its
    frames would be reported as leaked then.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
