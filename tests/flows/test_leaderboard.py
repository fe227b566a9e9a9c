"""The leaderboard: which runs it has, and one quick board from raw files to MLflow."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.evaluate import test_ledger as ledger_of
from flows.leaderboard import leaderboard
from flows.plan import parse_arms, parse_models, plan
from medpatch.config.arm import Arm
from medpatch.config.error import ConfigError
from medpatch.config.name import Rival
from medpatch.config.path import PathConfig
from medpatch.config.preset import PresetName
from medpatch.evaluate.fact import read_ledger

QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "evaluate.bootstrap_resamples": 20,
}
PRESET = PresetName.tiny_in_hospital_mortality


def test_all_means_every_rival() -> None:
    assert parse_models("all") == tuple(Rival)


def test_rivals_are_chosen_by_name_and_what_every_run_has_may_be_named() -> None:
    assert parse_models("medfuse, medpatch,early") == (Rival.EARLY, Rival.MEDFUSE)


@pytest.mark.parametrize("text", ["medfuze", ""])
def test_unknown_model_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is unknown; choose all, or some of medpatch"):
        parse_models(text)


def test_arms_are_chosen_by_name() -> None:
    assert parse_arms("none") == ()
    assert parse_arms("without_dn") == (Arm.WITHOUT_DN,)
    with pytest.raises(ConfigError, match="choose none, or some of without_dn"):
        parse_arms("without_ehr")


def test_runs_differ_by_their_seed_alone(tree: Path, tmp_path: Path) -> None:
    board = plan(PRESET, models="early", seeds=3, raw_dir=tree, work_dir=tmp_path, overrides={"train.seed": 5})
    assert board.seeds == (5, 6, 7)
    assert len({run.run_dir for run in board.runs}) == 3
    assert len({run.tensor_dir for run in board.runs}) == 1
    configs = [{**run.config.flatten(), "train.seed": None} for run in board.runs]
    assert configs[0] == configs[1] == configs[2]


def test_arm_has_the_same_seeds_and_other_tensors(tree: Path, tmp_path: Path) -> None:
    board = plan(
        PresetName.tiny_phenotyping, models="early", seeds=2, arms="without_dn", raw_dir=tree, work_dir=tmp_path
    )
    arm = board.arms[Arm.WITHOUT_DN]
    assert [run.config.train.seed for run in arm] == list(board.seeds)
    assert arm[0].tensor_dir != board.first.tensor_dir
    assert len(board.every_run) == 4


def test_no_seed_is_no_leaderboard(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seeds: 0"):
        plan(PRESET, models="all", seeds=0, raw_dir=tree, work_dir=tmp_path)


def test_board_is_made_once_tracked_once_and_counts_its_look_at_test(
    tree: Path, prefect_server: None, tmp_path: Path
) -> None:
    ways = {"models": "early", "seeds": 2, "raw_dir": tree, "work_dir": tmp_path, "overrides": QUICK}
    report = leaderboard(PRESET, **ways)
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["runs"] == 2
    board = plan(PRESET, **ways)
    steps = [read.step for read in read_ledger(ledger_of(board.first))]
    assert steps == ["predict", "report", "predict", "report", "leaderboard"]
    before = (report / "index.html").stat().st_mtime_ns
    assert leaderboard(PRESET, **ways) == report
    assert (report / "index.html").stat().st_mtime_ns == before
    paths = PathConfig.from_environment(raw_dir=tree, work_dir=tmp_path)
    client = MlflowClient(paths.tracking_uri)
    ids = [e.experiment_id for e in client.search_experiments()]
    boards = client.search_runs(ids, "tags.model = 'leaderboard'")
    assert len(boards) == 1
    assert boards[0].data.tags["seeds"] == "1002,1003"
    assert boards[0].data.metrics["test/auroc"] == pytest.approx(metrics["flat"]["medpatch"]["test/auroc"])
    files = {f.path for f in client.list_artifacts(boards[0].info.run_id, "report")}
    assert "report/index.html" in files
