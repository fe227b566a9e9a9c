"""The command line: help, clear errors, no traceback."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from medpatch.config.error import ConfigError
from medpatch.contract.table import MADE_UP
from medpatch.synthetic.folder import describe

COMMANDS = (
    "demo",
    "synth",
    "extract",
    "align",
    "train",
    "evaluate",
    "run",
    "search",
    "leaderboard",
    "fields",
    "up",
    "down",
    "status",
    "gc",
)


@pytest.fixture(autouse=True)
def _keep_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("MEDPATCH_WORK_DIR", str(tmp_path / "work"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_top_level_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert all(command in result.output for command in COMMANDS)


def test_unknown_preset_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["run", "--preset", "nonsense"])
    assert result.exit_code == 2
    assert "tiny_phenotyping" in result.output


def test_synth_with_three_places_that_are_no_overlay_is_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synth", "a", "b", "c"])
    assert result.exit_code == 2
    assert "overlay RAW OUT" in result.output


def test_unknown_override_ends_with_a_message_and_code_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--raw-dir", str(tmp_path), "--set", "train.sed=1"])
    assert result.exit_code == 1
    assert "train.sed" in result.output
    assert "Traceback" not in result.output


def test_synth_writes_the_three_data_sets(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synth", str(tmp_path / "raw"), "--subjects", "20", "--seed", "1"])
    assert result.exit_code == 0
    assert {p.name for p in (tmp_path / "raw").iterdir()} >= {"mimiciv", "mimic-cxr-jpg", "mimic-iv-note", "oracle"}


def test_synth_replaces_a_tree_of_other_settings_only_if_told_to(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    describe(raw, kind="synthetic", statement="made up", seed=7, subjects=4000)
    asked = ["synth", str(raw), "--subjects", "5"]

    refused = CliRunner().invoke(app, asked, env={"COLUMNS": "400"})
    assert refused.exit_code == 1
    assert "kind synthetic, subjects 4000, seed 7" in refused.output
    assert "--replace" in refused.output
    assert json.loads((raw / MADE_UP).read_text())["subjects"] == 4000

    replaced = CliRunner().invoke(app, [*asked, "--replace"])
    assert replaced.exit_code == 0
    assert "replacing a made-up tree (kind synthetic, subjects 4000, seed 7)" in replaced.output
    assert json.loads((raw / MADE_UP).read_text())["subjects"] == 5

    again = CliRunner().invoke(app, asked)
    assert (again.exit_code, "replacing" in again.output) == (0, False)


def test_absent_raw_folder_ends_with_a_message_before_any_server_starts(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--raw-dir", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "MEDPATCH_RAW_DIR" in result.output
    assert "Starting temporary server" not in result.output


def test_a_search_from_high_to_low_is_refused_before_anything_is_looked_at(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["search", "--low", "1", "--high", "0.1"], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert "rates from 1.0 to 0.1" in result.output
    assert not (tmp_path / "work").exists()


def test_a_dask_address_without_the_dask_runner_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["run", "--dask-address", "tcp://127.0.0.1:8786"])
    assert result.exit_code == 2
    assert "--runner dask" in result.output


def test_status_of_a_folder_where_nothing_runs_says_so_with_code_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--work-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "nothing was started" in result.output


@pytest.mark.parametrize("command", ["status", "gc", "down"])
def test_a_command_that_only_reads_makes_no_work_folder(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command, "--work-dir", str(tmp_path / "absent")])
    assert result.exit_code == 1
    assert "there is no such work folder" in " ".join(result.output.split())
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("option", ["--prefect-port", "--mlflow-port"])
@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_cannot_be_is_a_usage_error(option: str, port: str) -> None:
    result = CliRunner().invoke(app, ["up", option, port])
    assert result.exit_code == 2
    assert port in result.output
    assert "65535" in result.output


def test_a_port_of_the_environment_is_checked_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPATCH_MLFLOW_PORT", "99999")
    result = CliRunner().invoke(app, ["up"])
    assert result.exit_code == 2
    assert "65535" in result.output


def test_gc_of_an_empty_folder_has_nothing_to_remove(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["gc", "--work-dir", str(tmp_path)])
    assert result.exit_code == 0
    assert "nothing to remove" in result.output


def test_extract_refuses_a_preset_of_another_task() -> None:
    result = CliRunner().invoke(app, ["extract", "--preset", "phenotyping", "--task", "in_hospital_mortality"])
    assert result.exit_code == 2
    assert "another task" in result.output


def test_extract_says_what_its_options_mean() -> None:
    text = " ".join(CliRunner().invoke(app, ["extract", "--help"], env={"COLUMNS": "200"}).output.split())
    for part in ("--out", "--task", "--profile", "--arm", "published extraction cell by cell", "which notes"):
        assert part in text


@pytest.mark.parametrize(
    ("options", "preset", "overrides"),
    [
        (["--task", "phenotyping", "--profile", "corrected"], "phenotyping", {"cohort.profile": "corrected"}),
        (["--preset", "tiny_phenotyping", "--task", "phenotyping"], "tiny_phenotyping", {}),
        ([], "tiny_in_hospital_mortality", {}),
        (
            ["--arm", "with_discharge_note", "--arm", "radiology_without_cxr_reports", "--set", "split.seed=3"],
            "tiny_in_hospital_mortality",
            {"modality.text_arms": ["with_discharge_note", "radiology_without_cxr_reports"], "split.seed": "3"},
        ),
    ],
)
def test_extract_hands_its_options_to_the_flow(
    options: list[str], preset: str, overrides: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def settle(preset: str, **more: object) -> None:
        asked.update(more, preset=preset)
        raise ConfigError("far enough")

    monkeypatch.setattr("flows.start.settle", settle)

    result = CliRunner().invoke(app, ["extract", "--raw-dir", str(tmp_path), "--out", str(tmp_path / "o"), *options])

    assert "far enough" in result.output
    assert (asked["preset"], asked["overrides"]) == (preset, overrides)
    assert asked["table_dir"] == tmp_path / "o"
