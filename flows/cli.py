"""The `medpatch` command; every subcommand is a thin call into synthetic, the flows or the services."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from medpatch.config.error import MedPatchError, ServerLostError
from medpatch.config.override import parse_overrides
from medpatch.config.path import PathConfig, set_up_environment
from medpatch.config.preset import PresetName
from medpatch.contract.refresh import Step

app = typer.Typer(
    name="medpatch",
    help="From raw MIMIC files to evaluated multimodal MedPatch runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Preset = Annotated[PresetName, typer.Option("--preset", "-p", help="named configuration")]
RawDir = Annotated[
    Path | None,
    typer.Option(
        "--raw-dir",
        help="folder with the MIMIC data sets: mimiciv/, mimic-cxr-jpg/, mimic-iv-note/, or what PhysioNet's "
        "download leaves [default: MEDPATCH_RAW_DIR, else WORK/raw]",
    ),
]
WorkDir = Annotated[
    Path | None,
    typer.Option("--work-dir", help="folder for all outputs [default: MEDPATCH_WORK_DIR, else work]"),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="one field changed, e.g. --set train.seed=3; may be repeated"),
]
Refresh = Annotated[
    list[Step] | None,
    typer.Option("--refresh", help="do this step and all after it again although nothing changed; may be repeated"),
]
DEFAULT_PRESET = PresetName.tiny_in_hospital_mortality


@app.command()
def demo(
    work_dir: WorkDir = None,
    subjects: Annotated[int, typer.Option(min=50, help="made-up patients")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="seed of the made-up patients")] = 7,
) -> None:
    """Make a synthetic MIMIC, run the whole pipeline on it for both tasks, print the results."""
    with _named_errors():
        paths = _paths(None, work_dir)
        from flows.server import api_server

        with api_server(paths):
            from flows.demo import run_demo

            run_demo(paths, subjects=subjects, seed=seed)


@app.command()
def synth(
    places: Annotated[list[Path], typer.Argument(metavar="OUT | overlay RAW OUT", show_default=False)],
    subjects: Annotated[int, typer.Option(min=1, help="made-up patients")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same files")] = 7,
    image_dir: Annotated[
        Path | None, typer.Option(help="overlay: draw images from this folder instead of making them up")
    ] = None,
) -> None:
    """Write a made-up MIMIC tree to OUT; or add made-up X-rays and notes to the patients of RAW.

    `medpatch synth OUT` writes mimiciv/, mimic-cxr-jpg/, mimic-iv-note/ and oracle/.
    `medpatch synth overlay RAW OUT` keeps RAW's own tables (for example the open MIMIC-IV demo).
    """
    from flows.progress import progress_bar
    from medpatch.synthetic.overlay import write_overlay
    from medpatch.synthetic.write import write_tree

    with _named_errors(), progress_bar("writing files") as progress:
        if len(places) == 1:
            write_tree(places[0], subjects=subjects, seed=seed, progress=progress)
        elif len(places) == 3 and str(places[0]) == "overlay":
            write_overlay(places[1], places[2], seed=seed, image_dir=image_dir, progress=progress)
        else:
            raise typer.BadParameter("give OUT, or: overlay RAW OUT")
    Console().print(f"wrote {places[-1]}")


@app.command()
def extract(
    preset: Preset = DEFAULT_PRESET,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
    refresh: Refresh = None,
) -> None:
    """Raw files to gated tables."""
    _run_until("warehouse_dir", preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh)


@app.command()
def align(
    preset: Preset = DEFAULT_PRESET,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
    refresh: Refresh = None,
) -> None:
    """Everything up to the gated tensors."""
    _run_until("tensor_dir", preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh)


@app.command()
def train(
    preset: Preset = DEFAULT_PRESET,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
    refresh: Refresh = None,
) -> None:
    """Everything up to the checkpoints."""
    _run_until("checkpoint_dir", preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh)


@app.command()
def evaluate(
    preset: Preset = DEFAULT_PRESET,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
    refresh: Refresh = None,
) -> None:
    """Everything up to the report; the test split is read here and nowhere else."""
    _run_until("report_dir", preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh)


@app.command()
def run(
    preset: Preset = DEFAULT_PRESET,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
    refresh: Refresh = None,
) -> None:
    """The whole job, without a deployment: extract, align, train, evaluate."""
    _run_until("report_dir", preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh)


PrefectPort = Annotated[
    int | None, typer.Option(envvar="MEDPATCH_PREFECT_PORT", help="port of the Prefect page [default: 4200]")
]
MlflowPort = Annotated[
    int | None, typer.Option(envvar="MEDPATCH_MLFLOW_PORT", help="port of the MLflow page [default: 5000]")
]


@app.command()
def up(
    work_dir: WorkDir = None,
    raw_dir: RawDir = None,
    prefect_port: PrefectPort = None,
    mlflow_port: MlflowPort = None,
    worker_limit: Annotated[int, typer.Option(min=1, help="flow runs that the worker takes at a time")] = 1,
) -> None:
    """Start the Prefect server, the MLflow server and a worker on 127.0.0.1, deploy everything, print the addresses."""
    with _named_errors():
        paths = _paths(raw_dir, work_dir)
        from flows.board import print_up
        from flows.service import Wanted, up

        wanted = Wanted(prefect_port=prefect_port, mlflow_port=mlflow_port, worker_limit=worker_limit)
        print_up(up(paths, wanted, say=Console().print))


@app.command()
def down(work_dir: WorkDir = None) -> None:
    """Stop what `up` started for this work folder, and nothing else."""
    with _named_errors():
        from flows.service import down

        count = down(_paths(None, work_dir))
        Console().print(f"stopped {count} processes" if count else "nothing of this work folder was running")


@app.command()
def status(work_dir: WorkDir = None) -> None:
    """Say what of `up` runs; exit code 1 if not everything does."""
    with _named_errors():
        from flows.board import print_status

        if not print_status(_paths(None, work_dir)):
            sys.exit(1)


def _run_until(
    artefact: str,
    preset: str,
    *,
    raw_dir: Path | None,
    work_dir: Path | None,
    overrides: list[str] | None,
    refresh: list[Step] | None,
) -> None:
    with _named_errors():
        paths = _paths(raw_dir, work_dir)
        from flows.server import api_server
        from flows.start import settle

        fields = parse_overrides(overrides or [])
        run = settle(preset, raw_dir=paths.raw_dir, work_dir=paths.work_dir, overrides=fields)
        with api_server(paths):
            from flows.local import run_locally

            run_locally(artefact, run, overrides=fields, refresh=refresh or [])


def _paths(raw_dir: Path | None, work_dir: Path | None) -> PathConfig:
    paths = PathConfig.from_environment(raw_dir=raw_dir, work_dir=work_dir)
    paths.work_dir.mkdir(parents=True, exist_ok=True)
    set_up_environment(paths)
    return paths


@contextmanager
def _named_errors() -> Iterator[None]:
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


if __name__ == "__main__":
    app()
