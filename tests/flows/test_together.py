"""Two whole runs on one work folder at the same time, each in a process of its own, end like one."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from flows.start import settle
from flows.tracking import RECORD
from medpatch.config.path import REPOSITORY_DIR
from medpatch.config.preset import PresetName
from medpatch.contract.artifact import is_whole

PRESET = PresetName.tiny_in_hospital_mortality
QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "evaluate.bootstrap_resamples": 20,
}


def _start(tree: Path, work_dir: Path) -> subprocess.Popen[str]:
    fields = [part for name, value in QUICK.items() for part in ("--set", f"{name}={value}")]
    line = [sys.executable, "-m", "flows.cli", "run", "--raw-dir", str(tree), "--work-dir", str(work_dir), *fields]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PREFECT_LOGGING_LEVEL": "INFO"}
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):  # each run with a temporary server, on one new store
        environment.pop(name, None)
    ways = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(line, cwd=REPOSITORY_DIR, env=environment, **ways)


def _left(tree: Path, work_dir: Path) -> tuple[pl.DataFrame, dict]:
    run = settle(PRESET, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    predictions = pl.read_parquet(run.prediction_dir / "predictions.parquet")
    metrics = json.loads((run.report_dir / "metrics.json").read_text())
    folders = json.loads((run.run_dir / RECORD).read_text())["folders"]
    assert all(is_whole(work_dir / name) for name in folders)
    return predictions.sort("model", "split", "stay_id", "label_name"), metrics


@pytest.mark.timeout(600)
def test_two_runs_on_one_folder_at_once_both_end_and_leave_what_one_leaves(tree: Path, tmp_path: Path) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    both = [_start(tree, shared) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert any("is writing it; waiting" in text for text in said)

    single = _start(tree, alone)
    single.communicate()
    (predictions, metrics), (expected, expected_metrics) = _left(tree, shared), _left(tree, alone)
    assert predictions.equals(expected)
    assert metrics == expected_metrics
    assert [p for p in shared.rglob(".*.tmp") if p.is_dir()] == []
    with closing(sqlite3.connect(shared / "mlflow.db")) as store:
        states = [state for (state,) in store.execute("SELECT DISTINCT status FROM runs")]
    assert states == ["FINISHED"]
    with closing(sqlite3.connect(shared / "prefect" / "prefect.db")) as store:
        runs = [state for (state,) in store.execute("SELECT state_type FROM flow_run")]
    assert runs == ["COMPLETED", "COMPLETED"]
