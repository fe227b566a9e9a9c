"""What goes into an MLflow run: aggregates, curves, counts and report files; never a row about one patient."""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from medpatch.track.run import NOTE, TrackedRun

METRICS_PER_BATCH = 1000
REPORT_SUFFIXES = (".png", ".svg", ".html", ".md", ".csv", ".tex", ".json")
CURVES = {
    "train_loss": "train/loss",
    "val_loss": "val/loss",
    "val_auroc": "val/auroc",
    "learning_rate": "train/learning_rate",
}
"""Key in a history -> name of the curve."""


def metric_name(name: str) -> str:
    """The name with what MLflow refuses left out: "test/auroc/Septicemia (except in labor)" -> words and "_"."""
    return "/".join(re.sub(r"[^A-Za-z0-9.]+", "_", part).strip("_") for part in name.split("/"))


def log_metrics(run: TrackedRun, metrics: Mapping[str, float | None], *, step: int = 0) -> None:
    """Numbers by "split/name"; those that do not exist (None, NaN, infinite) are left out."""
    _log_all(run, [(name, value, step) for name, value in metrics.items()])


def log_history(run: TrackedRun, history: Sequence[Mapping[str, object]], *, prefix: str = "") -> None:
    """Per-epoch numbers as curves "train/loss", "val/loss", "val/auroc", in as few calls as possible.

    Args:
        run: where.
        history: one mapping per epoch: epoch, train_loss, val_loss, val_auroc.
        prefix: in front of each name, for example "fusion/" where several stages share a run.
    """
    _log_all(
        run,
        [
            (f"{prefix}{curve}", row[key], int(row["epoch"]))
            for row in history
            for key, curve in CURVES.items()
            if row.get(key) is not None
        ],
    )


@contextmanager
def live_metrics(run: TrackedRun, *, every_seconds: float = 5.0) -> Iterator[Callable[[str, float, int], None]]:
    """A callable `(name, value, step)` whose points reach the run in batches, the rest when the block ends."""
    points: list[tuple[str, object, int]] = []
    sent = time.monotonic()

    def log_metric(name: str, value: float, step: int) -> None:
        nonlocal sent
        points.append((name, value, step))
        if time.monotonic() - sent >= every_seconds:
            _log_all(run, points)
            points.clear()
            sent = time.monotonic()

    try:
        yield log_metric
    finally:
        _log_all(run, points)


def log_counts(run: TrackedRun, counts: Mapping[str, int], *, digest: str, context: str = "training") -> None:
    """The data as an MLflow dataset: its digest and how many stays each split has.

    Args:
        run: where.
        counts: for example {"train": 3400, "val": 480, "test": 1200}.
        digest: of the tensors.
        context: what they were used for.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name="made up" if run.tags.get("made_up") == "true" else "MIMIC-IV",
        digest=digest[:36],
        source_type="medpatch",
        source=json.dumps({"data_digest": digest}),
        schema=None,
        profile=json.dumps(dict(counts)),
    )
    tag = InputTag(key="mlflow.data.context", value=context)
    run.tracking.client().log_inputs(run.run_id, [DatasetInput(dataset, tags=[tag])])


def log_report(run: TrackedRun, report_dir: Path, *, folder: str = "report") -> tuple[str, ...]:
    """Copy the report's pages, pictures and tables; names of what was copied.

    Predictions and other Parquet files stay where they are: they hold rows about patients.
    """
    client = run.tracking.client()
    files = sorted(p for p in report_dir.rglob("*") if p.is_file() and p.suffix in REPORT_SUFFIXES)
    for file in files:
        below = file.parent.relative_to(report_dir)
        client.log_artifact(run.run_id, str(file), artifact_path=str(Path(folder) / below))
    return tuple(str(file.relative_to(report_dir)) for file in files)


def set_tags(run: TrackedRun, tags: Mapping[str, str]) -> None:
    """Words about the run that one can search for."""
    for key, value in tags.items():
        run.tracking.client().set_tag(run.run_id, key, value)


def describe(run: TrackedRun, markdown: str) -> None:
    """Text at the top of the run's page, for example the result table."""
    run.tracking.client().set_tag(run.run_id, NOTE, markdown)


def _log_all(run: TrackedRun, points: Sequence[tuple[str, object, int]]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [
        Metric(metric_name(name), float(value), now, step)
        for name, value, step in points
        if value is not None and math.isfinite(float(value))
    ]
    client = run.tracking.client()
    for start in range(0, len(metrics), METRICS_PER_BATCH):
        client.log_batch(run.run_id, metrics=metrics[start : start + METRICS_PER_BATCH])
