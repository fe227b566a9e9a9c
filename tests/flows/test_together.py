"""Two whole runs on one work folder at the same time, each in a process of its own, end like one."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flows.finished import RECORD, TRAIN_RECORD
from flows.start import settle
from medpatch.config.override import parse_overrides
from medpatch.config.path import REPOSITORY_DIR
from medpatch.config.preset import PresetName
from medpatch.contract.artifact import fingerprint, is_whole

PRESET = PresetName.tiny_in_hospital_mortality
QUICK = [
    "train.unimodal_epochs=1",
    "train.confidence_epochs=1",
    "train.fusion_epochs=1",
    "evaluate.bootstrap_resamples=20",
    "evaluate.rivals=none",
    "modality.modalities=ehr,rr",
]


def _start(command: str, tree: Path, *, work_dir: Path) -> subprocess.Popen[str]:
    fields = [part for pair in QUICK for part in ("--set", pair)]
    line = [sys.executable, "-m", "flows.cli", command, "--raw-dir", str(tree), "--work-dir", str(work_dir), *fields]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PREFECT_LOGGING_LEVEL": "INFO"}
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):  # each run with a temporary server, on one new store
        environment.pop(name, None)
    ways = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(line, cwd=REPOSITORY_DIR, env=environment, **ways)


def _left(tree: Path, work_dir: Path, *, record: str) -> dict[str, str]:
    """Folder -> digest of what it was made from and of its content, of all that the record of the run names."""
    run = settle(PRESET, raw_dir=tree, work_dir=work_dir, overrides=parse_overrides(QUICK))
    folders = json.loads((run.run_dir / record).read_text())["folders"]
    data = {folder: fingerprint(work_dir / folder) for folder in (f"{run.data_dir.name}/2_tensor",)}
    assert all(is_whole(work_dir / name) for name in folders)
    return {**folders, **data}


@pytest.mark.timeout(600)
@pytest.mark.long
def test_two_runs_on_one_folder_at_once_both_end_and_leave_what_one_leaves(tree: Path, tmp_path: Path) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    both = [_start("run", tree, work_dir=shared) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert any("is writing it; waiting" in text for text in said)

    # predictions follow from the weights: the third run need not make them
    single = _start("train", tree, work_dir=alone)
    said = single.communicate()[0]
    assert single.returncode == 0, said
    assert _left(tree, shared, record=TRAIN_RECORD) == _left(tree, alone, record=TRAIN_RECORD)
    assert any(name.endswith("report") for name in _left(tree, shared, record=RECORD))
    assert [p for p in shared.rglob(".*.tmp") if p.is_dir()] == []
    with closing(sqlite3.connect(shared / "mlflow.db")) as store:
        states = [state for (state,) in store.execute("SELECT DISTINCT status FROM runs")]
    assert states == ["FINISHED"]
    with closing(sqlite3.connect(shared / "prefect" / "prefect.db")) as store:
        runs = [state for (state,) in store.execute("SELECT state_type FROM flow_run")]
    assert runs == ["COMPLETED", "COMPLETED"]
