"""A command sees that all is done without starting anything, and that it is not."""

import json
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from flows.cli import app
from flows.context import RunContext
from flows.entry import write_entry
from flows.finished import RECORD, is_done, tensor_gate
from flows.pipeline import full_pipeline
from flows.registry import validation_auroc
from flows.start import settle
from medpatch.config.path import PathConfig
from medpatch.config.preset import PresetName
from medpatch.evaluate.prediction import PREDICTION_FILE

ARTEFACTS = ("extracted_dir", "tensor_dir", "checkpoint_dir", "report_dir")
QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "evaluate.bootstrap_resamples": 20,
}


@pytest.fixture(scope="module")
def finished(tree: Path, prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work folder of one quick mortality run."""
    work_dir = tmp_path_factory.mktemp("work")
    full_pipeline(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    return work_dir


@pytest.fixture
def settled(finished: Path, tree: Path) -> RunContext:
    """The finished run as a command sees it before anything is started."""
    return settle(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=finished, overrides=QUICK)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_a_command_knows_without_a_server_that_all_is_done(settled: RunContext, artefact: str) -> None:
    assert is_done(settled, artefact)


@pytest.mark.parametrize(
    ("lost", "undone"),
    [
        ("staging_dir", ARTEFACTS),
        ("extracted_dir", ARTEFACTS),
        ("tensor_dir", ARTEFACTS[1:]),
        ("prediction_dir", ARTEFACTS[3:]),
        ("report_dir", ARTEFACTS[3:]),
    ],
)
def test_a_command_sees_what_is_no_longer_there(settled: RunContext, lost: str, undone: tuple[str, ...]) -> None:
    folder: Path = getattr(settled, lost)
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    try:
        assert tuple(a for a in ARTEFACTS if not is_done(settled, a)) == undone
    finally:
        aside.rename(folder)


def test_a_command_sees_that_a_gate_was_never_passed(settled: RunContext) -> None:
    aside = tensor_gate(settled).with_name("gate-aside")
    tensor_gate(settled).rename(aside)
    try:
        assert [is_done(settled, a) for a in ARTEFACTS] == [True, False, False, False]
    finally:
        aside.rename(tensor_gate(settled))


def test_a_command_sees_that_its_mlflow_run_was_deleted(settled: RunContext, finished: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{finished / 'mlflow.db'}")
    run_id = json.loads((settled.run_dir / RECORD).read_text())["run_id"]
    client.delete_run(run_id)
    try:
        assert not is_done(settled, "report_dir")
    finally:
        client.restore_run(run_id)
    assert is_done(settled, "report_dir")


def test_an_mlflow_run_that_a_killed_process_left_open_is_something_to_do(settled: RunContext, finished: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{finished / 'mlflow.db'}")
    record = json.loads((settled.run_dir / RECORD).read_text())
    left = client.create_run(record["experiment_id"]).info.run_id
    write_entry(settled.paths, "one", mlflow_runs=[record["run_id"], left])
    file = finished / "service" / "run" / "one.json"
    try:
        assert is_done(settled, "tensor_dir")  # its process, this one, is at work
        file.write_text(json.dumps(json.loads(file.read_text()) | {"birth": "of another process"}))
        assert not is_done(settled, "tensor_dir")
        client.set_terminated(left, status="KILLED")
        assert is_done(settled, "tensor_dir")
    finally:
        file.unlink()
        client.delete_run(left)


def test_a_command_with_nothing_to_do_starts_nothing(
    finished: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StartedError(Exception):
        """A server was asked for."""

    def start_server(paths: PathConfig, *, needs_worker: bool) -> None:
        raise StartedError

    monkeypatch.setattr("flows.server.api_server", start_server)
    sets = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
    line = ["run", "--raw-dir", str(tree), "--work-dir", str(finished), *sets]
    done = CliRunner().invoke(app, line)
    assert (done.exit_code, done.exception) == (0, None)
    assert "nothing to do" in done.output
    assert "MedPatch: in-hospital mortality" in done.output
    for more in (["--refresh", "evaluate"], ["--set", "train.seed=4"]):
        assert isinstance(CliRunner().invoke(app, [*line, *more]).exception, StartedError)


def test_a_champion_is_judged_by_the_reported_head_on_validation(settled: RunContext) -> None:
    rows = pl.read_parquet(settled.prediction_dir / PREDICTION_FILE)
    rows = rows.filter((pl.col("model") == "medpatch") & (pl.col("split") == "val"))
    assert validation_auroc(settled) == pytest.approx(roc_auc_score(rows["label"], rows["logit"]))
