"""Every model with several training seeds on identical data, and one report over all of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.logging import get_run_logger
from rich.console import Console

from flows.ahead import may_spread, train_ahead
from flows.align import align_steps
from flows.context import RunContext
from flows.ensure import ensure
from flows.evaluate import evaluated_run, look_at_test, run_facts, test_ledger
from flows.extract import extract_steps
from flows.failure import named_loss
from flows.job import trained_rivals
from flows.journal import note_mlflow_run
from flows.parameter import (
    NO_OVERRIDES,
    Arms,
    Models,
    Overrides,
    Preset,
    RawDir,
    RunnerSettings,
    Seeds,
    WorkDir,
    described,
)
from flows.pipeline import pipeline_steps
from flows.plan import ALL, NONE, Board, plan
from flows.progress import progress_bar
from flows.start import start
from flows.step import step
from medpatch.config.base import digest_of
from medpatch.config.code import REPORT_CODE
from medpatch.config.preset import PresetName
from medpatch.config.runner import RunnerConfig
from medpatch.contract.artifact import fingerprint, replace_text
from medpatch.track.find import has_run
from medpatch.track.log import describe, log_counts, log_metrics, log_report, set_tags
from medpatch.track.run import child_run, open_tracking, parent_run

RECORD = "mlflow_run.json"


@step("leaderboard")
def write_leaderboard(board: Board) -> str:
    """One report over all runs; every number is the mean over the seeds."""
    run, inputs = board.first, board_inputs(board)

    def make() -> None:
        from medpatch.contract.confidence import read_confidence
        from medpatch.evaluate.figure_history import read_histories
        from medpatch.evaluate.name import TASK_WORDS
        from medpatch.evaluate.report_folder import Material, evaluate_runs

        folders = [
            (seed, folder) for seed, one in zip(board.seeds, board.runs, strict=True) for folder in stage_folders(one)
        ]
        facts = run_facts(run, board.seeds, reads=look_at_test(run, "leaderboard"))
        with progress_bar("judging all models") as progress:
            evaluate_runs(
                {f"seed {seed}": predictions_of(one) for seed, one in zip(board.seeds, board.runs, strict=True)},
                board.report_dir,
                config=run.config,
                inputs=inputs,
                title=f"Leaderboard: {TASK_WORDS[run.config.cohort.task]}",
                material=Material(
                    oracle_dir=run.oracle_dir,
                    histories=[{**row, "seed": seed} for seed, folder in folders for row in read_histories(folder)],
                    confidence=[one for _, folder in folders for one in read_confidence(folder)],
                    made_up=run.made_up,
                    warehouse_dir=run.warehouse_dir,
                    tensor_dir=run.tensor_dir,
                    facts=facts,
                    arms={arm: [predictions_of(one) for one in runs] for arm, runs in board.arms.items()},
                ),
                progress=progress,
            )

    return ensure(board.report_dir, inputs=inputs, packages=REPORT_CODE, make=make)


def predictions_of(run: RunContext) -> Path:
    """Where the predictions of a run are."""
    return run.prediction_dir / "predictions.parquet"


def stage_folders(run: RunContext) -> list[Path]:
    """Every folder of weights of a run that is there, in training order."""
    modalities = run.config.modality.modalities
    wanted = [*map(run.unimodal_dir, modalities), *map(run.confidence_dir, modalities), run.fusion_dir()]
    return [folder for folder in (*wanted, *map(run.rival_dir, trained_rivals(run))) if folder.is_dir()]


def board_inputs(board: Board) -> str:
    """Digest of what the leaderboard is made from."""
    predictions = [fingerprint(run.prediction_dir) for run in board.every_run]
    run = board.first
    return digest_of(predictions, run.config.evaluate.flatten(), run.made_up, run.oracle_digest)


@step("track-leaderboard")
def track_leaderboard(board: Board, report: str) -> None:
    """The report and one child run per model in MLflow; once per report."""
    from medpatch.data.spec import tensor_spec
    from medpatch.evaluate.fact import read_ledger
    from medpatch.evaluate.finished import read_markdown, read_metrics
    from medpatch.evaluate.name import title

    run = board.first
    if _tracked(board) == report:
        return
    with parent_run(
        open_tracking(run.paths),
        run.config,
        preset=run.preset,
        data_digest=run.data_digest,
        made_up=run.made_up is not None,
        model="leaderboard",
    ) as parent:
        note_mlflow_run(run.paths, parent.run_id)
        client = parent.tracking.client()
        client.set_tag(parent.run_id, "mlflow.runName", f"leaderboard-{run.preset}")
        client.set_tag(parent.run_id, "seeds", ",".join(map(str, board.seeds)))
        for model, metrics in read_metrics(board.report_dir).items():
            if model == "medpatch":
                log_metrics(parent, metrics)
            with child_run(parent, f"{model}, mean of seeds", model=model, title=title(model)) as child:
                log_metrics(child, metrics)
        set_tags(parent, {"test_reads": str(len(read_ledger(test_ledger(run))))})
        log_counts(
            parent, tensor_spec(run.tensor_dir).stay_count, digest=parent.tags["data_digest"], context="evaluation"
        )
        log_report(parent, board.report_dir)
        describe(parent, read_markdown(board.report_dir))
    record = {"tracking_uri": run.paths.tracking_uri, "run_id": parent.run_id, "report": report}
    replace_text(board.directory / RECORD, json.dumps(record, indent=1))


def _tracked(board: Board) -> str | None:
    """The report that MLflow already shows, or None."""
    paths = board.first.paths
    try:
        record = json.loads((board.directory / RECORD).read_text())
        same = record["tracking_uri"] == paths.tracking_uri
        return record["report"] if same and has_run(open_tracking(paths), record["run_id"]) else None
    except (OSError, ValueError, KeyError):
        return None


@flow(name="leaderboard", flow_run_name="leaderboard-{preset}")
@described
def leaderboard(
    preset: Preset = PresetName.tiny_in_hospital_mortality,
    *,
    models: Models = ALL,
    seeds: Seeds = 3,
    arms: Arms = NONE,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    runner: RunnerSettings = None,
    overrides: Overrides = NO_OVERRIDES,
) -> Path:
    """Train or reuse every model on identical data, once per seed, and compare them in one report.

    Returns:
        The folder of the report.
    """
    places = {"raw_dir": raw_dir, "work_dir": work_dir, "overrides": overrides}
    start(preset, **places, renames=False)
    board = plan(preset, models=models, seeds=seeds, arms=arms, **places).on(runner)
    train_board(board)
    for number, run in enumerate(board.every_run, start=1):
        get_run_logger().info("run %s of %s: %s", number, len(board.every_run), run.run_dir.name)
        pipeline_steps(run)
    track_leaderboard(board, write_leaderboard(board))
    return board.report_dir


def train_board(board: Board) -> None:
    """All seeds and models of the board that are not there, on the workers of its runner; nothing without one."""
    if not may_spread(board.first):
        return
    aligned = [(run, align_steps(run, extract_steps(run))) for run in board.every_run]
    left = [(run, tensors) for run, tensors in aligned if evaluated_run(run, tensors) is None]
    if left:
        train_ahead([run for run, _ in left], [tensors for _, tensors in left])


def lead_locally(
    board: Board,
    preset: str,
    *,
    overrides: Mapping[str, Any],
    chosen: Mapping[str, Any],
    runner: RunnerConfig | None = None,
) -> Path:
    """The leaderboard, called from the command line; prints its table and where the report is.

    Args:
        board: what will be made, planned beforehand.
        preset: named configuration.
        overrides: single fields by dotted name.
        chosen: models, seeds and arms.
        runner: where models and seeds are trained; None means here.

    Raises:
        MedPatchError: whatever a step raised on purpose.
        ServerLostError: the Prefect server stopped answering.
    """
    from medpatch.evaluate.finished import read_table

    paths = board.first.paths
    ways = {"raw_dir": paths.raw_dir, "work_dir": paths.work_dir, "overrides": dict(overrides), "runner": runner}
    with named_loss():
        folder = leaderboard(preset=preset, **ways, **chosen)
    console = Console()
    console.print(read_table(folder))
    console.print(f"report: {folder}", soft_wrap=True)
    return folder
