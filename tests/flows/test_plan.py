"""Which runs a leaderboard consists of, and what it refuses before anything is made."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.plan import parse_arms, parse_models, plan
from flows.registry import model_name
from flows.start import settle
from medpatch.config.arm import Arm
from medpatch.config.error import ConfigError, ContractError
from medpatch.config.name import Rival
from medpatch.config.preset import PresetName

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


def test_model_of_an_arm_does_not_take_the_title_of_champion(tree: Path, tmp_path: Path) -> None:
    board = plan(
        PresetName.tiny_phenotyping, models="early", seeds=1, arms="without_dn", raw_dir=tree, work_dir=tmp_path
    )
    (arm,) = board.arms[Arm.WITHOUT_DN]
    assert model_name(board.first) == "medpatch-phenotyping-made-up"
    assert model_name(arm) == "medpatch-phenotyping-without-dn-made-up"


def test_runs_on_other_data_are_refused(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw_files = iter("aab")  # the raw files change while the board is planned
    monkeypatch.setattr(
        "flows.plan.settle", lambda *ways, **more: replace(settle(*ways, **more), raw_fingerprint=next(raw_files))
    )
    with pytest.raises(ContractError, match="the runs are on different data"):
        plan(PRESET, models="early", seeds=2, raw_dir=tree, work_dir=tmp_path)


def test_no_seed_is_no_leaderboard(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seeds: 0"):
        plan(PRESET, models="all", seeds=0, raw_dir=tree, work_dir=tmp_path)
