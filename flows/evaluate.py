"""Checkpoints to predictions, the prediction gate, the report, and its place in MLflow."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
from prefect import flow
from prefect.logging import get_run_logger

from flows.align import align_steps
from flows.collect import note_use
from flows.context import RunContext
from flows.ensure import ensure
from flows.evidence import track_data, track_gates
from flows.extract import extract_steps
from flows.finished import TRAIN_RECORD, finished_run, remember, run_inputs, whole_inputs
from flows.gate import publish_gate
from flows.gpu import gpu_slot
from flows.hand_over import ready_tensors
from flows.parameter import NO_OVERRIDES, Overrides, Preset, RawDir, Refresh, RunnerSettings, WorkDir, described
from flows.progress import progress_bar
from flows.registry import register
from flows.show import show_links, show_result
from flows.start import start
from flows.step import step
from flows.tracking import tracked
from flows.train import Trained, train_steps
from medpatch.config.base import digest_of
from medpatch.config.code import PREDICTION_CODE, REPORT_CODE
from medpatch.config.name import Modality, Split
from medpatch.contract.artifact import written_folders
from medpatch.contract.table import warehouse_file
from medpatch.track.log import describe, log_counts, log_metrics, log_report, set_tags
from medpatch.track.run import TrackedRun, child_run, git_commit
from medpatch.validate.gate import gate_predictions

if TYPE_CHECKING:  # evaluate imports matplotlib and statsmodels, so it waits until a step needs it
    from medpatch.evaluate.fact import Dropped, RunFacts, TestRead


@step("predict")
def predict(run: RunContext, trained: Trained, *, tensors: str) -> str:
    """Validation and test predictions of every model."""
    inputs = digest_of(trained.fingerprints, tensors, run.config.evaluate.flatten())

    def make() -> None:
        from medpatch.evaluate.predict import predict_all

        look_at_test(run, "predict")
        with progress_bar("predicting") as progress:
            predict_all(
                trained.models,
                trained.earlier,
                tensor_dir=run.tensor_dir,
                config=run.config,
                target=run.prediction_dir,
                inputs=inputs,
                progress=progress,
            )

    return ensure(run.prediction_dir, inputs=inputs, packages=PREDICTION_CODE, make=make)


@step("gate-predictions")
def gate_probabilities(run: RunContext, predictions: str) -> None:
    """Judge the prediction table."""
    publish_gate(
        run.run_dir / "4_prediction_gate",
        judge=lambda _: gate_predictions(run.prediction_dir / "predictions.parquet", run.config),
        inputs=predictions,
        key="prediction-gate",
    )


@step("report")
def write_report(run: RunContext, trained: Trained, *, predictions: str) -> str:
    """Metrics with intervals, tables and pictures of the test split."""
    inputs = report_inputs(run, predictions)

    def make() -> None:
        from medpatch.contract.confidence import read_confidence
        from medpatch.evaluate.figure_history import read_histories
        from medpatch.evaluate.report import evaluate_run

        facts = run_facts(run, (run.config.train.seed,), reads=look_at_test(run, "report"))
        with progress_bar("judging the test split") as progress:
            evaluate_run(
                run.prediction_dir / "predictions.parquet",
                run.report_dir,
                config=run.config,
                inputs=inputs,
                oracle_dir=run.oracle_dir,
                histories=[row for folder in trained.folders for row in read_histories(folder)],
                confidence=[one for folder in trained.folders for one in read_confidence(folder)],
                made_up=run.made_up,
                warehouse_dir=run.warehouse_dir,
                tensor_dir=run.tensor_dir,
                facts=facts,
                progress=progress,
            )

    return ensure(run.report_dir, inputs=inputs, packages=REPORT_CODE, make=make)


@step("track")
def track_report(run: RunContext, trained: Trained, *, parent: TrackedRun) -> None:
    """Metrics of every model on its MLflow run, pictures and tables on the parent's."""
    from medpatch.data.spec import tensor_spec
    from medpatch.evaluate.fact import read_ledger
    from medpatch.evaluate.finished import read_markdown, read_metrics
    from medpatch.evaluate.name import title

    set_tags(parent, {"test_reads": str(len(read_ledger(test_ledger(run))))})
    for model, metrics in read_metrics(run.report_dir).items():
        if model == "medpatch":
            log_metrics(parent, metrics)
        child = trained.children.get(model)
        if child is None:
            with child_run(parent, model, model=model, title=title(model)) as child:
                log_metrics(child, metrics)
        else:
            log_metrics(child, metrics)
    log_counts(parent, tensor_spec(run.tensor_dir).stay_count, digest=parent.tags["data_digest"])
    log_report(parent, run.report_dir)
    track_gates(run, parent)
    describe(parent, read_markdown(run.report_dir))


def report_inputs(run: RunContext, predictions: str) -> str:
    """Digest of what the report is made from."""
    return digest_of(predictions, run.config.evaluate.flatten(), run.made_up, run.oracle_digest)


def test_ledger(run: RunContext) -> Path:
    """Where looks at these test stays are noted, by whatever configuration or arm; it outlives the data folder."""
    index = pq.read_table(run.warehouse_dir / warehouse_file("stay_index"), columns=["stay_id", "split"]).to_pylist()
    stays = sorted(row["stay_id"] for row in index if row["split"] == Split.TEST)
    return run.paths.work_dir / "test_reads" / f"stays-{digest_of(stays)}.jsonl"


def look_at_test(run: RunContext, step: str) -> "tuple[TestRead, ...]":
    """Record that a step reads the test split; every look at the test stays of this data so far."""
    from medpatch.data.spec import tensor_spec
    from medpatch.evaluate.fact import record_read

    stays = tensor_spec(run.tensor_dir).stay_count[Split.TEST]
    return record_read(test_ledger(run), step=step, run=run.run_dir.name.removeprefix("run-"), stays=stays)


def run_facts(run: RunContext, seeds: tuple[int, ...], *, reads: "tuple[TestRead, ...]") -> "RunFacts":
    """Where the numbers of this run come from."""
    from medpatch.evaluate.fact import RunFacts

    code = git_commit()
    return RunFacts(
        preset=run.preset,
        run=run.run_dir.name.removeprefix("run-"),
        data=run.data_digest,
        commit=code.commit[:12] + ("+" if code.is_dirty else ""),
        seeds=seeds,
        dropped=dropped_modalities(run),
        reads=reads,
    )


def dropped_modalities(run: RunContext) -> "tuple[Dropped, ...]":
    """The modalities asked for that no model of the run uses, and why."""
    from medpatch.evaluate.fact import Dropped
    from medpatch.train.result import read_result

    absent = [Dropped(Modality(m), "the raw folder does not hold its files") for m in run.dropped]
    stages = [read_result(run.unimodal_dir(m)) for m in run.config.modality.modalities]
    return (*absent, *(Dropped(one.modality, one.reason) for one in stages if one.is_dropped))


def evaluate_steps(run: RunContext, trained: Trained, *, parent: TrackedRun, predictions: str) -> Path:
    """All of evaluation after the predictions; the report folder."""
    gate_probabilities(run, predictions)
    write_report(run, trained, predictions=predictions)
    track_report(run, trained, parent=parent)
    return run.report_dir


def evaluated_run(run: RunContext, tensors: str) -> TrackedRun | None:
    """Its MLflow run, if training and evaluation finished and all of it is current; else None."""
    return finished_run(run, whole_inputs(run, tensors))


def model_steps(run: RunContext, tensors: str) -> Path:
    """Training and evaluation in one MLflow run, or the report that is there and current."""
    models, inputs = run_inputs(run, tensors), whole_inputs(run, tensors)
    finished = finished_run(run, inputs)
    if finished is not None:
        get_run_logger().info("nothing changed: the report and MLflow run %s are current", finished.run_id)
        show_links(run, finished)
        note_use(run)
    else:
        with tracked(run) as parent:
            track_data(run, parent)
            with gpu_slot(run.config):
                trained = train_steps(run, tensors, parent=parent)
                predictions = predict(run, trained, tensors=tensors)
            evaluate_steps(run, trained, parent=parent, predictions=predictions)
            register(run, run.fusion_dir(), parent=parent)
            show_links(run, parent)
        weights = (run.checkpoint_dir, *trained.folders)
        remember(run, parent, inputs=models, folders=weights, record_name=TRAIN_RECORD)
        remember(run, parent, inputs=inputs, folders=(*written_folders(run.run_dir), *trained.folders))
    from medpatch.evaluate.finished import read_markdown, read_metrics

    show_result(run, markdown=read_markdown(run.report_dir), metrics=read_metrics(run.report_dir))
    return run.report_dir


@flow(name="evaluate", flow_run_name="{preset}")
@described
def evaluate(
    preset: Preset,
    raw_dir: RawDir = None,
    *,
    work_dir: WorkDir = None,
    refresh: Refresh = (),
    runner: RunnerSettings = None,
    overrides: Overrides = NO_OVERRIDES,
) -> Path:
    """Everything up to the report; what is current is reused."""
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh, runner=runner)
    return model_steps(run, ready_tensors(run) or align_steps(run, extract_steps(run)))
