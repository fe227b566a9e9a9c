"""The `medpatch` command; every subcommand is a thin call into synthetic, the flows or the services."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.cli_field import fields
from flows.cli_option import (
    PRESET_NAMES,
    DaskAddress,
    Preset,
    RawDir,
    Refresh,
    RunnerName,
    Set,
    TrainingPlace,
    WorkDir,
    named_errors,
    named_runner,
    paths_of,
    show_version,
)
from flows.cli_service import down, gc, status, up
from flows.cli_study import leaderboard, search
from medpatch.config.modality import TextArm
from medpatch.config.name import Profile, Task
from medpatch.config.override import parse_overrides
from medpatch.config.preset import PresetName
from medpatch.config.runner import Runner, RunnerConfig, Training
from medpatch.contract.disk import full_disk_told
from medpatch.contract.refresh import Step

app = typer.Typer(
    name="medpatch",
    help="From raw MIMIC files to evaluated multimodal MedPatch runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

DEFAULT_PRESET = PresetName.tiny_in_hospital_mortality


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="show the version and end", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """From raw MIMIC files to evaluated multimodal MedPatch runs."""


@app.command()
def demo(
    work_dir: WorkDir = None,
    subjects: Annotated[int, typer.Option(min=50, help="made-up patients")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="seed of the made-up patients")] = 7,
) -> None:
    """Make a synthetic MIMIC, run the whole pipeline on it for both tasks, print the results."""
    with named_errors():
        paths = paths_of(None, work_dir)
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
    replace: Annotated[
        bool, typer.Option("--replace", help="remove a made-up tree of other settings that is in OUT")
    ] = False,
) -> None:
    """Write a made-up MIMIC tree to OUT; or add made-up X-rays and notes to the patients of RAW.

    `medpatch synth OUT` writes mimiciv/, mimic-cxr-jpg/, mimic-iv-note/ and oracle/.
    `medpatch synth overlay RAW OUT` keeps RAW's own tables (for example the open MIMIC-IV demo).
    """
    from flows.progress import progress_bar
    from medpatch.synthetic.folder import other_tree, refuse_other_tree
    from medpatch.synthetic.overlay import write_overlay
    from medpatch.synthetic.write import write_tree

    is_overlay = len(places) == 3 and str(places[0]) == "overlay"
    if not is_overlay and len(places) != 1:
        raise typer.BadParameter("give OUT, or: overlay RAW OUT")
    settings = (
        {"kind": "overlay", "seed": seed} if is_overlay else {"kind": "synthetic", "seed": seed, "subjects": subjects}
    )
    with named_errors():
        if not replace:
            refuse_other_tree(places[-1], **settings)
        elif other := other_tree(places[-1], **settings):
            Console().print(f"replacing {other} in {places[-1]}", soft_wrap=True)
        with progress_bar("writing files") as progress:
            if is_overlay:
                write_overlay(places[1], places[2], seed=seed, image_dir=image_dir, progress=progress)
            else:
                write_tree(places[0], subjects=subjects, seed=seed, progress=progress)
    Console().print(f"wrote {places[-1]}")


@app.command()
def extract(
    preset: Annotated[
        PresetName | None,
        typer.Option(
            "--preset",
            "-p",
            metavar="NAME",
            help=f"{PRESET_NAMES} \\[default: the --task's, else {DEFAULT_PRESET}]",
        ),
    ] = None,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
    *,
    refresh: Refresh = None,
    out: Annotated[
        Path | None,
        typer.Option(help="folder for the tables, made or replaced whole \\[default: a data-… folder in --work-dir]"),
    ] = None,
    task: Annotated[Task | None, typer.Option(help="what is predicted; decides window, labels and samples")] = None,
    profile: Annotated[
        Profile | None,
        typer.Option(help="published: the published extraction cell by cell; corrected: its mistakes repaired"),
    ] = None,
    arm: Annotated[
        list[TextArm] | None,
        typer.Option(help="which notes a stay may read; may be repeated \\[default: as published]"),
    ] = None,
) -> None:
    """Raw files to gated tables: stays, criteria, attrition, labels, events, split, images, notes.

    `medpatch extract --raw-dir RAW --out OUT --task phenotyping --profile corrected` writes them to OUT as Parquet;
    parsed raw files are kept in --work-dir for the next extraction. With --preset alone they stay in --work-dir.
    """
    if preset is not None and task is not None and not preset.endswith(task):
        raise typer.BadParameter(f"preset {preset} is of another task than --task {task}; give one of them")
    given = {"cohort.profile": profile, "modality.text_arms": arm or None}
    changed = [f"{name}={','.join(value) if isinstance(value, list) else value}"
               for name, value in given.items() if value is not None]  # fmt: skip
    _run_until(
        "extracted_dir",
        preset or (PresetName(task) if task else DEFAULT_PRESET),
        raw_dir=raw_dir,
        work_dir=work_dir,
        overrides=[*changed, *(overrides or [])],
        refresh=refresh,
        table_dir=out,
    )


def _until(artefact: str, meaning: str) -> Callable[..., None]:
    """The command that runs the pipeline until an artefact of its RunContext exists."""

    def command(
        preset: Preset = DEFAULT_PRESET,
        raw_dir: RawDir = None,
        work_dir: WorkDir = None,
        overrides: Set = None,
        *,
        refresh: Refresh = None,
        runner: RunnerName = Runner.LOCAL,
        dask_address: DaskAddress = None,
        training: TrainingPlace = Training.HERE,
    ) -> None:
        if training is Training.GPU_QUEUE and artefact != "report_dir":
            raise typer.BadParameter("--training gpu_queue is for run and evaluate, which end with the report")
        spread = named_runner(runner, dask_address, training=training)
        ways = {"raw_dir": raw_dir, "work_dir": work_dir, "overrides": overrides, "refresh": refresh, "runner": spread}
        _run_until(artefact, preset, **ways)

    command.__doc__ = meaning
    return command


for name, artefact, meaning in (
    ("align", "tensor_dir", "Everything up to the gated tensors."),
    ("train", "checkpoint_dir", "Everything up to the checkpoints."),
    ("evaluate", "report_dir", "Everything up to the report; the test split is read here and nowhere else."),
    ("run", "report_dir", "The whole job, without a deployment: extract, align, train, evaluate."),
):
    app.command(name)(_until(artefact, meaning))


def _run_until(
    artefact: str,
    preset: str,
    *,
    raw_dir: Path | None,
    work_dir: Path | None,
    overrides: list[str] | None,
    refresh: list[Step] | None,
    runner: RunnerConfig | None = None,
    table_dir: Path | None = None,
) -> None:
    with named_errors():
        paths = paths_of(raw_dir, work_dir)
        from flows.finished import is_done
        from flows.outcome import say_nothing_to_do
        from flows.server import api_server
        from flows.start import settle

        fields = parse_overrides(overrides or [])
        places = {"raw_dir": paths.raw_dir, "work_dir": paths.work_dir, "table_dir": table_dir}
        run = settle(preset, **places, overrides=fields)
        if not refresh and is_done(run, artefact):
            say_nothing_to_do(run, artefact)
            return
        needs_worker = runner is not None and runner.training is Training.GPU_QUEUE
        with full_disk_told(paths.work_dir), api_server(paths, needs_worker=needs_worker) as api:
            from flows.local import run_locally

            api.wait()
            run_locally(artefact, run, overrides=fields, refresh=refresh or [], runner=runner)


for command in (search, leaderboard, fields, up, down, status, gc):
    app.command()(command)


if __name__ == "__main__":
    app()
