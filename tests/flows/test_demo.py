"""The demo keeps its made-up tree only while it is the one that it would write."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from flows import demo
from flows.demo import _is_that_tree
from medpatch.config.path import PathConfig
from medpatch.synthetic.folder import MADE_UP, describe


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    describe(tmp_path, kind="tree", statement="made up", seed=3, subjects=40)
    return tmp_path


@pytest.mark.parametrize("is_current", [True, False])
def test_a_server_is_started_only_if_something_is_to_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_current: bool
) -> None:
    class StartedError(Exception):
        """A server was asked for."""

    said: list[str] = []

    def start_server(paths: PathConfig) -> None:
        raise StartedError

    monkeypatch.setattr(demo, "api_server", start_server)
    monkeypatch.setattr(demo, "_is_that_tree", lambda raw_dir, **_: True)
    monkeypatch.setattr(demo, "settle", lambda preset, **_: preset)
    monkeypatch.setattr(demo, "is_done", lambda run, artefact: is_current)
    monkeypatch.setattr(demo, "say_nothing_to_do", lambda run, artefact: said.append(run))
    with nullcontext() if is_current else pytest.raises(StartedError):
        demo.run_demo(PathConfig.from_environment(work_dir=tmp_path), subjects=50, seed=1)
    assert said == (list(demo.DEMO_PRESETS) if is_current else [])


def test_the_end_of_the_demo_names_the_pages_that_up_serves(capsys: pytest.CaptureFixture[str]) -> None:
    demo._say_how_to_go_on()
    said = capsys.readouterr().out
    assert "http://127.0.0.1:4200 (Prefect)" in said
    assert "http://127.0.0.1:5000/#/experiments?workflowType=machine_learning (MLflow)" in said


def test_the_end_of_the_demo_says_how_long_it_took_and_where_both_reports_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    demo._say_pages([Path("work/run-a/report"), Path("work/run-b/report")], seconds=173.4)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Done in 2 min 53 s")
    assert [line.strip() for line in lines[1:]] == ["work/run-a/report/index.html", "work/run-b/report/index.html"]


def test_same_subjects_and_seed_keep_the_tree(tree: Path) -> None:
    assert _is_that_tree(tree, subjects=40, seed=3)


@pytest.mark.parametrize(("subjects", "seed"), [(41, 3), (40, 4)])
def test_other_subjects_or_seed_ask_for_a_new_tree(tree: Path, subjects: int, seed: int) -> None:
    assert not _is_that_tree(tree, subjects=subjects, seed=seed)


def test_a_changed_generator_asks_for_a_new_tree(tree: Path) -> None:
    made_up = json.loads((tree / MADE_UP).read_text())
    (tree / MADE_UP).write_text(json.dumps(made_up | {"generator": "earlier"}))
    assert not _is_that_tree(tree, subjects=40, seed=3)


def test_no_tree_asks_for_one(tmp_path: Path) -> None:
    assert not _is_that_tree(tmp_path / "absent", subjects=40, seed=3)
