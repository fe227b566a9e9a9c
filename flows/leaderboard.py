"""Every model with several training seeds on identical data, and one report over all of them."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.logging import get_run_logger
from rich.console import Console

from flows.context import RunContext
from flows.evaluate import look_at_test, run_facts
from flows.local import without_traceback
from flows.pipeline import pipeline_steps
from flows.progress import progress_bar
from flows.start import start
from flows.step import step
from medpatch.config.base import digest_of
from medpatch.config.code import REPORT_CODE
from medpatch.config.error import ConfigError, ContractError
from medpatch.config.name import Rival
from medpatch.config.path import PathConfig
from medpatch.config.preset import PresetName
from medpatch.contract.artifact import fingerprint, is_current, replace_text
from medpatch.track.log import describe, log_metrics, log_report
from medpatch.track.run import child_run, open_tracking, parent_run

ALL = "all"
ALWAYS = ("medpatch", "late", "unimodal")
"""Models that every run has, so that naming them changes nothing."""
RECORD = "mlflow_run.json"


@dataclass(frozen=True)
class Board:
    """The runs of one leaderboard.

    Attributes:
        runs: one per training seed, on the same data.
        seeds: theirs.
    """

    runs: tuple[RunContext, ...]
    seeds: tuple[int, ...]

    @property
    def first(self) -> RunContext:
        """The run whose configuration stands for all."""
        return self.runs[0]

    @property
    def directory(self) -> Path:
        """Folder of the leaderboard."""
        return self.first.paths.work_dir / f"leaderboard-{digest_of([run.run_dir.name for run in self.runs])}"

    @property
    def report_dir(self) -> Path:
        """Its report."""
        return self.directory / "report"


def parse_models(text: str) -> tuple[Rival, ...]:
    """Rivals by name: "all", or a comma-separated choice; models that every run has may be named too.

    Raises:
        ConfigError: a name is unknown.
    """
    if text.strip() == ALL:
        return tuple(Rival)
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in (*Rival, *ALWAYS)]
    if unknown or not names:
        raise ConfigError(
            f"models: {unknown or text!r} is unknown; choose {ALL}, or some of {', '.join((*ALWAYS, *Rival))}"
        )
    return tuple(rival for rival in Rival if rival in names)


def plan(
    preset: str,
    *,
    models: str,
    seeds: int,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Board:
    """The runs: as the preset and the overrides say, with the seeds train.seed, train.seed + 1, ...

    Raises:
        ConfigError: fewer than one seed, or whatever `start` refuses.
    """
    if seeds < 1:
        raise ConfigError(f"seeds: {seeds}, expected at least 1")
    fields = {**(overrides or {}), "evaluate.rivals": [str(rival) for rival in parse_models(models)]}
    base = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=fields).config.train.seed
    numbers = tuple(range(base, base + seeds))
    runs = tuple(
        start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides={**fields, "train.seed": number})
        for number in numbers
    )
    data = {run.data_dir.name for run in runs}
    if len(data) > 1:
        raise ContractError(
            f"leaderboard: the runs are on different data ({sorted(data)}); the raw files changed, retry"
        )
    return Board(runs, numbers)


@step("leaderboard")
def write_leaderboard(board: Board) -> str:
    """One report over all runs; every number is the mean over the seeds."""
    run, inputs = board.first, board_inputs(board)
    if not is_current(board.report_dir, inputs=inputs, packages=REPORT_CODE):
        from medpatch.contract.confidence import read_confidence
        from medpatch.evaluate.figure_history import read_histories
        from medpatch.evaluate.name import TASK_WORDS
        from medpatch.evaluate.report_folder import Material, evaluate_runs

        facts = run_facts(run, board.seeds, look_at_test(run, "leaderboard"))
        with progress_bar("judging all models") as progress:
            evaluate_runs(
                {
                    f"seed {seed}": one.prediction_dir / "predictions.parquet"
                    for seed, one in zip(board.seeds, board.runs, strict=True)
                },
                board.report_dir,
                run.config,
                inputs=inputs,
                title=f"Leaderboard: {TASK_WORDS[run.config.cohort.task]}",
                material=Material(
                    oracle_dir=run.oracle_dir,
                    histories=read_histories(run.checkpoint_dir),
                    confidence=read_confidence(run.checkpoint_dir),
                    made_up=run.made_up,
                    warehouse_dir=run.warehouse_dir,
                    tensor_dir=run.tensor_dir,
                    facts=facts,
                ),
                progress=progress,
            )
    return fingerprint(board.report_dir)


def board_inputs(board: Board) -> str:
    """Digest of what the leaderboard is made from."""
    predictions = [fingerprint(run.prediction_dir) for run in board.runs]
    return digest_of(predictions, board.first.config.evaluate.flatten(), board.first.made_up)


@step("track-leaderboard")
def track_leaderboard(board: Board, report: str) -> None:
    """The report and one child run per model in MLflow; once per report."""
    from medpatch.evaluate.report import read_markdown, read_metrics

    run = board.first
    if _tracked(board) == report:
        return
    with parent_run(
        open_tracking(run.paths),
        run.config,
        preset=run.preset,
        data_digest=run.data_dir.name.removeprefix("data-"),
        made_up=run.made_up is not None,
        model="leaderboard",
    ) as parent:
        client = parent.tracking.client()
        client.set_tag(parent.run_id, "mlflow.runName", f"leaderboard-{run.preset}")
        client.set_tag(parent.run_id, "seeds", ",".join(map(str, board.seeds)))
        for model, metrics in read_metrics(board.report_dir).items():
            if model == "medpatch":
                log_metrics(parent, metrics)
            with child_run(parent, f"{model}, mean of seeds", model=model) as child:
                log_metrics(child, metrics)
        log_report(parent, board.report_dir)
        describe(parent, read_markdown(board.report_dir))
    record = {"tracking_uri": run.paths.tracking_uri, "run_id": parent.run_id, "report": report}
    replace_text(board.directory / RECORD, json.dumps(record, indent=1))


def _tracked(board: Board) -> str | None:
    """The report that MLflow already shows, or None."""
    paths = board.first.paths
    try:
        record = json.loads((board.directory / RECORD).read_text())
        same = record["tracking_uri"] == paths.tracking_uri and paths.has_tracking_store
        return record["report"] if same else None
    except (OSError, ValueError, KeyError):
        return None


@flow(name="leaderboard", flow_run_name="leaderboard-{preset}")
def leaderboard(
    preset: PresetName = PresetName.tiny_in_hospital_mortality,
    *,
    models: str = ALL,
    seeds: int = 3,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Path:
    """Train or reuse every model on identical data, once per seed, and compare them in one report.

    Args:
        preset: named configuration.
        models: "all", or names of rivals joined by commas.
        seeds: trainings; train.seed, train.seed + 1, ...
        raw_dir: folder with the MIMIC data sets; default MEDPATCH_RAW_DIR, else work/raw.
        work_dir: folder for everything that is written; default MEDPATCH_WORK_DIR, else work.
        overrides: single fields by dotted name, for example {"train.seed": 3}.

    Returns:
        The folder of the report.
    """
    board = plan(preset, models=models, seeds=seeds, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides)
    for number, run in zip(board.seeds, board.runs, strict=True):
        get_run_logger().info("seed %s: run %s", number, run.run_dir.name)
        pipeline_steps(run)
    track_leaderboard(board, write_leaderboard(board))
    return board.report_dir


def lead_locally(preset: str, *, models: str, seeds: int, paths: PathConfig, overrides: Mapping[str, Any]) -> Path:
    """The leaderboard without a deployment; prints its table and where the report is.

    Raises:
        MedPatchError: whatever a step raised on purpose; what can be known beforehand, before a server starts.
    """
    from medpatch.evaluate.report import read_table

    where = {"raw_dir": paths.raw_dir, "work_dir": paths.work_dir, "overrides": dict(overrides)}
    plan(preset, models=models, seeds=seeds, **where)
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(without_traceback)
    folder = leaderboard(preset=preset, models=models, seeds=seeds, **where)
    console = Console()
    console.print(read_table(folder))
    console.print(f"report: {folder}", soft_wrap=True)
    return folder
