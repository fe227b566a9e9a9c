"""Checkpoints to predictions, the prediction gate, the report, and its place in MLflow."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from flows.align import align_steps
from flows.context import RunContext
from flows.extract import extract_steps
from flows.gate import publish_gate
from flows.progress import progress_bar
from flows.start import start
from flows.step import step
from flows.tracking import finished_run, remember, tracked
from flows.train import Trained, train_steps
from medpatch.config.base import digest_of
from medpatch.config.code import MODEL_CODE, PREDICTION_CODE, REPORT_CODE
from medpatch.config.path import code_digest
from medpatch.config.preset import PresetName
from medpatch.contract.artifact import fingerprint, is_current
from medpatch.track.log import describe, log_counts, log_metrics, log_report
from medpatch.track.run import TrackedRun, child_run
from medpatch.validate.gate import gate_predictions


@step("predict")
def predict(run: RunContext, trained: Trained, tensors: str) -> str:
    """Validation and test predictions of every model."""
    inputs = digest_of(trained.fingerprints, tensors, run.config.evaluate.flatten())
    if not is_current(run.prediction_dir, inputs=inputs, packages=PREDICTION_CODE):
        from medpatch.evaluate.predict import predict_all

        with progress_bar("predicting") as progress:
            predict_all(
                trained.models,
                trained.earlier,
                run.tensor_dir,
                run.config,
                run.prediction_dir,
                inputs=inputs,
                progress=progress,
            )
    return fingerprint(run.prediction_dir)


@step("gate-predictions")
def gate_probabilities(run: RunContext, predictions: str) -> None:
    """Judge the prediction table."""
    publish_gate(
        run.run_dir / "4_prediction_gate",
        judge=lambda: gate_predictions(run.prediction_dir / "predictions.parquet", run.config),
        inputs=predictions,
        key="prediction-gate",
    )


@step("report")
def write_report(run: RunContext, trained: Trained, predictions: str) -> str:
    """Metrics with intervals, tables and pictures of the test split."""
    inputs = report_inputs(run, predictions)
    if not is_current(run.report_dir, inputs=inputs, packages=REPORT_CODE):
        from medpatch.evaluate.figure_history import read_histories
        from medpatch.evaluate.report import evaluate_run

        with progress_bar("judging the test split") as progress:
            evaluate_run(
                run.prediction_dir / "predictions.parquet",
                run.report_dir,
                run.config,
                inputs=inputs,
                oracle_dir=run.oracle_dir,
                histories=[row for folder in trained.folders for row in read_histories(folder)],
                made_up=run.made_up,
                warehouse_dir=run.warehouse_dir,
                tensor_dir=run.tensor_dir,
                progress=progress,
            )
    return fingerprint(run.report_dir)


@step("track")
def track_report(run: RunContext, trained: Trained, parent: TrackedRun) -> None:
    """Metrics of every model on its MLflow run, pictures and tables on the parent's."""
    from medpatch.data.spec import tensor_spec
    from medpatch.evaluate.report import read_markdown, read_metrics

    for model, metrics in read_metrics(run.report_dir).items():
        if model == "medpatch":
            log_metrics(parent, metrics)
        child = trained.children.get(model)
        if child is None:
            with child_run(parent, model, model=model) as child:
                log_metrics(child, metrics)
        else:
            log_metrics(child, metrics)
    log_counts(parent, tensor_spec(run.tensor_dir).stay_count, digest=parent.tags["data_digest"])
    log_report(parent, run.report_dir)
    for gate in (run.data_dir / "1_warehouse_gate", run.data_dir / "2_tensor_gate", run.run_dir / "4_prediction_gate"):
        log_report(parent, gate, folder=f"gate/{gate.name}")
    describe(parent, read_markdown(run.report_dir))


def report_inputs(run: RunContext, predictions: str) -> str:
    """Digest of what the report is made from."""
    oracle = sorted(p.stat().st_size for p in run.oracle_dir.iterdir()) if run.oracle_dir else None
    return digest_of(predictions, run.config.evaluate.flatten(), run.made_up, oracle)


def evaluate_steps(run: RunContext, trained: Trained, parent: TrackedRun, *, tensors: str) -> Path:
    """All of evaluation; the report folder."""
    predictions = predict(run, trained, tensors)
    gate_probabilities(run, predictions)
    write_report(run, trained, predictions)
    track_report(run, trained, parent)
    return run.report_dir


def model_steps(run: RunContext, tensors: str) -> Path:
    """Training and evaluation in one MLflow run, or the report that is there and current."""
    inputs = digest_of(run.run_dir.name, tensors, run.made_up, code_digest(MODEL_CODE))
    run_id = finished_run(run, inputs)
    if run_id is not None:
        get_run_logger().info("nothing changed: the report and MLflow run %s are current", run_id)
    else:
        with tracked(run) as parent:
            trained = train_steps(run, tensors, parent)
            evaluate_steps(run, trained, parent, tensors=tensors)
        remember(run, parent, inputs=inputs, shared=trained.folders)
    if FlowRunContext.get() is not None:
        from medpatch.evaluate.report import read_markdown

        create_markdown_artifact(read_markdown(run.report_dir), key="result-table")
    return run.report_dir


@flow(name="evaluate")
def evaluate(
    preset: PresetName,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Path:
    """Everything up to the report; what is current is reused."""
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides)
    return model_steps(run, align_steps(run, extract_steps(run)))
