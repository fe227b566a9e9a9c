"""One quick leaderboard from raw files to MLflow: made once, tracked once, the same on several workers."""

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import TaskRunSort
from safetensors.numpy import load_file

from flows.ahead import may_spread
from flows.evaluate import test_ledger as ledger_of
from flows.leaderboard import leaderboard, stage_folders
from flows.plan import plan
from medpatch.config.error import CheckpointError
from medpatch.config.name import Rival
from medpatch.config.path import PathConfig
from medpatch.config.preset import PresetName
from medpatch.config.runner import Runner, RunnerConfig
from medpatch.contract.artifact import DESCRIPTION, written_folders
from medpatch.evaluate.fact import read_ledger

QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "evaluate.bootstrap_resamples": 20,
}
PRESET = PresetName.tiny_in_hospital_mortality


def test_board_of_all_models_finds_the_folders_of_those_that_are_trained(tree: Path, tmp_path: Path) -> None:
    run = plan(PRESET, models="all", seeds=1, raw_dir=tree, work_dir=tmp_path).first
    assert Rival.ENSEMBLE in run.config.evaluate.rivals
    assert stage_folders(run) == []
    run.rival_dir(Rival.BOOSTED_TREES).mkdir(parents=True)
    assert stage_folders(run) == [run.rival_dir(Rival.BOOSTED_TREES)]


WAYS = {"models": "early", "seeds": 2, "overrides": QUICK}


@pytest.fixture(scope="module")
def board_here(tree: Path, prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Work folder and report of one quick board, made by one thread of this process."""
    import torch

    work_dir, threads = tmp_path_factory.mktemp("board"), torch.get_num_threads()
    torch.set_num_threads(1)
    report = leaderboard(PRESET, raw_dir=tree, work_dir=work_dir, **WAYS)
    torch.set_num_threads(threads)
    return work_dir, report


def _runs(work_dir: Path, query: str = "") -> list:
    client = MlflowClient(PathConfig.from_environment(work_dir=work_dir).tracking_uri)
    return list(client.search_runs([e.experiment_id for e in client.search_experiments()], query))


def test_board_is_made_once_tracked_once_and_counts_its_look_at_test(tree: Path, board_here: tuple[Path, Path]) -> None:
    work_dir, report = board_here
    ways = {**WAYS, "raw_dir": tree, "work_dir": work_dir}
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["runs"] == 2
    board = plan(PRESET, **ways)
    steps = [read.step for read in read_ledger(ledger_of(board.first))]
    assert steps == ["predict", "report", "predict", "report", "leaderboard"]
    before = (report / "index.html").stat().st_mtime_ns
    assert leaderboard(PRESET, **ways) == report
    assert (report / "index.html").stat().st_mtime_ns == before
    boards = _runs(work_dir, "tags.model = 'leaderboard'")
    assert len(boards) == 1
    assert boards[0].data.tags["seeds"] == "1002,1003"
    assert boards[0].data.metrics["test/auroc"] == pytest.approx(metrics["flat"]["medpatch"]["test/auroc"])
    client = MlflowClient(PathConfig.from_environment(work_dir=work_dir).tracking_uri)
    files = {f.path for f in client.list_artifacts(boards[0].info.run_id, "report")}
    assert "report/index.html" in files


def test_board_in_mlflow_has_its_data_set_and_how_often_the_test_split_was_read(board_here: tuple[Path, Path]) -> None:
    (board,) = _runs(board_here[0], "tags.model = 'leaderboard'")
    (used,) = board.inputs.dataset_inputs
    assert used.dataset.digest == board.data.tags["data_digest"]
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "evaluation")]
    assert json.loads(used.dataset.profile)["test"] > 0
    # two predictions, two reports, the board
    assert board.data.tags["test_reads"] == "5"
    seeds = [r for r in _runs(board_here[0], "tags.model = 'medpatch'") if "mlflow.parentRunId" not in r.data.tags]
    assert sorted(run.data.tags["test_reads"] for run in seeds) == ["2", "4"]


def test_champion_of_a_board_is_the_seed_that_is_best_on_validation(board_here: tuple[Path, Path]) -> None:
    client = MlflowClient(PathConfig.from_environment(work_dir=board_here[0]).tracking_uri)
    (model,) = client.search_registered_models()
    versions = client.search_model_versions(f"name = '{model.name}'")
    scores = {str(one.version): float(one.tags["validation_auroc"]) for one in versions}
    assert len(scores) == 2
    assert scores[str(model.aliases["champion"])] == max(scores.values())


def test_board_shows_the_training_of_every_seed(board_here: tuple[Path, Path]) -> None:
    chapters = {text.split("\n")[0]: text for text in (board_here[1] / "report.md").read_text().split("\n## ")}
    assert "each of 2 training seeds" in chapters["Training"]


def test_model_of_other_data_than_the_run_ends_the_board(
    tree: Path, board_here: tuple[Path, Path], tmp_path: Path
) -> None:
    work_dir = tmp_path / "work"
    shutil.copytree(board_here[0], work_dir)
    run = plan(PRESET, raw_dir=tree, work_dir=work_dir, **{**WAYS, "seeds": 1}).first
    shutil.rmtree(run.prediction_dir)
    weights = run.fusion_dir() / "checkpoint.json"
    tensors = json.loads(weights.read_text())["data"]
    weights.write_text(weights.read_text().replace(tensors, tensors[::-1]))
    with pytest.raises(CheckpointError, match=f"trained on tensors {tensors[::-1]}, asked to work on {tensors}"):
        leaderboard(PRESET, raw_dir=tree, work_dir=work_dir, **WAYS)


COMPARED = ("encoder-*/*", "model-*/*", "4_prediction")


def _content(work_dir: Path) -> dict[str, str]:
    """Tensors, weights, features, pools and predictions, by the digest of their bytes.

    Weights are read first: in the head of their file shared tensors stand in any order.
    """
    folders = [f for kind in COMPARED for f in written_folders(work_dir) if f.match(kind)]
    files = [file for folder in folders for file in sorted(folder.iterdir()) if file.is_file()]
    return {
        str(file.relative_to(work_dir)): _weights(file) if file.suffix == ".safetensors" else _bytes(file)
        for file in files
        if file.name != DESCRIPTION
    }


def _bytes(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _weights(file: Path) -> str:
    tensors = sorted(load_file(file).items())
    return hashlib.sha256(b"".join(name.encode() + value.tobytes() for name, value in tensors)).hexdigest()


def _curves(work_dir: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Last metrics of every child, by its model and the name of its parent."""
    runs = _runs(work_dir)
    names = {run.info.run_id: run.info.run_name for run in runs}
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return {(r.data.tags["model"], names[r.data.tags["mlflow.parentRunId"]]): r.data.metrics for r in children}


@pytest.mark.long
def test_board_on_two_dask_workers_leaves_the_same_bytes_and_the_same_mlflow_runs(
    tree: Path, board_here: tuple[Path, Path], tmp_path: Path
) -> None:
    runner = RunnerConfig(runner=Runner.DASK, workers=2)
    for folder in (*board_here[0].glob("staging-*"), *board_here[0].glob("data-*")):  # alignment: test_fan.py
        shutil.copytree(folder, tmp_path / folder.name)
    report = leaderboard(PRESET, raw_dir=tree, work_dir=tmp_path, runner=runner, **WAYS)
    with get_client(sync_client=True) as client:
        tasks = {run.name for run in client.read_task_runs(limit=200, sort=TaskRunSort.EXPECTED_START_TIME_DESC)}
    assert {"train ehr, seed 1002", "train rr, seed 1003", "train early, seed 1003", "train fusion, seed 1002"} <= tasks
    here, spread = _content(board_here[0]), _content(tmp_path)
    assert (
        len([name for name in here if name.endswith(".safetensors")]) == 2 * 6
    )  # two encoders, two scorers, two models
    assert {name for name in here if here[name] != spread.get(name)} == set()
    assert set(spread) == set(here)
    assert _curves(tmp_path) == _curves(board_here[0])
    assert (
        json.loads((report / "metrics.json").read_text())["flat"]
        == (json.loads((board_here[1] / "metrics.json").read_text())["flat"])
    )


def test_models_are_trained_here_where_a_local_cluster_would_share_one_gpu(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = plan(PRESET, models="early", seeds=1, raw_dir=tree, work_dir=tmp_path).first
    monkeypatch.setattr("flows.ahead.get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr("flows.ahead.wants_gpu", lambda config: True)
    assert not may_spread(run)
    assert not may_spread(replace(run, runner=RunnerConfig(runner=Runner.DASK)))
    assert may_spread(replace(run, runner=RunnerConfig(runner=Runner.DASK, address="tcp://10.0.0.5:8786")))
