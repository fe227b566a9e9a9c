"""Aggregates reach MLflow under names it accepts; rows about patients do not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from medpatch.config.name import PHENOTYPES
from medpatch.config.preset import tiny_in_hospital_mortality
from medpatch.track.log import describe, live_metrics, log_counts, log_history, log_metrics, log_report, metric_name
from medpatch.track.run import TrackedRun, Tracking, parent_run


@pytest.fixture
def run(tracking: Tracking) -> Iterator[TrackedRun]:
    with parent_run(tracking, tiny_in_hospital_mortality(), preset="tiny", data_digest="d1") as opened:
        yield opened


def test_metrics_that_do_not_exist_are_left_out(run: TrackedRun) -> None:
    log_metrics(run, {"test/auroc": 0.8, "test/auprc": float("nan"), "test/ece": None})
    assert run.tracking.client().get_run(run.run_id).data.metrics == {"test/auroc": 0.8}


def test_every_phenotype_gives_a_metric_name_that_mlflow_takes(run: TrackedRun) -> None:
    log_metrics(run, {f"test/auroc/{name}": 0.5 for name in PHENOTYPES})
    found = run.tracking.client().get_run(run.run_id).data.metrics
    assert len(found) == 25
    assert "test/auroc/Septicemia_except_in_labor" in found


def test_metric_name_keeps_the_slashes() -> None:
    assert metric_name("test/auroc/in-hospital mortality") == "test/auroc/in_hospital_mortality"


def test_history_becomes_curves_over_epochs(run: TrackedRun) -> None:
    log_history(
        run,
        [
            {"epoch": 0, "train_loss": 0.7, "val_loss": 0.6, "val_auroc": 0.5},
            {"epoch": 1, "train_loss": 0.5, "val_loss": 0.4, "val_auroc": None},
        ],
        prefix="fusion/",
    )
    client = run.tracking.client()
    assert [(m.step, m.value) for m in client.get_metric_history(run.run_id, "fusion/train/loss")] == [
        (0, 0.7),
        (1, 0.5),
    ]
    assert len(client.get_metric_history(run.run_id, "fusion/val/auroc")) == 1


def test_thousands_of_points_are_accepted(run: TrackedRun) -> None:
    log_history(run, [{"epoch": e, "train_loss": 1.0, "val_loss": 1.0, "val_auroc": 0.5} for e in range(700)])
    assert len(run.tracking.client().get_metric_history(run.run_id, "val/loss")) == 700


def test_points_of_a_training_loop_that_dies_are_kept(run: TrackedRun) -> None:
    with pytest.raises(RuntimeError), live_metrics(run) as log_metric:
        log_metric("val/auroc", 0.6, 0)
        log_metric("val/auroc", 0.7, 1)
        raise RuntimeError
    history = run.tracking.client().get_metric_history(run.run_id, "val/auroc")
    assert [(point.step, point.value) for point in history] == [(0, 0.6), (1, 0.7)]


def test_data_is_logged_as_a_digest_and_counts(run: TrackedRun) -> None:
    log_counts(run, {"train": 30, "test": 9}, digest="d1")
    found = run.tracking.client().get_run(run.run_id)
    dataset = found.inputs.dataset_inputs[0].dataset
    assert (dataset.digest, dataset.profile) == ("d1", '{"train": 30, "test": 9}')


def test_report_files_are_copied_and_predictions_are_not(run: TrackedRun, tmp_path: Path) -> None:
    (tmp_path / "figure").mkdir()
    for name in ("report.html", "metrics.csv", "figure/roc.png", "predictions.parquet"):
        (tmp_path / name).write_text("x")
    copied = log_report(run, tmp_path)
    assert copied == ("figure/roc.png", "metrics.csv", "report.html")
    listed = [item.path for item in run.tracking.client().list_artifacts(run.run_id, "report")]
    assert listed == ["report/figure", "report/metrics.csv", "report/report.html"]


def test_description_is_what_the_run_page_shows(run: TrackedRun) -> None:
    describe(run, "| model | AUROC |")
    assert run.tracking.client().get_run(run.run_id).data.tags["mlflow.note.content"] == "| model | AUROC |"
