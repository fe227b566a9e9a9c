"""gc names what no newest run needs, removes only that, and never raw files or stores."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.collect import LEFT_HOURS, USE_DIR, find_garbage, note_use, remove
from flows.process import birth
from medpatch.config.arm import Arm
from medpatch.contract.artifact import replacing
from medpatch.contract.lock import lock

LEFT = ".run-x.elsewhere-1-a.tmp"


def _note(preset: str, folders: list[str], *, group: str, process: tuple[str, int, str] | None = None) -> dict:
    ended = (socket.gethostname(), os.getpid(), "another birth")
    return {"preset": preset, "folders": folders, "group": group, "process": process or ended}


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    """Two runs of one preset on the same data, one of another, and things that are no outputs."""
    made = ("data-1", "data-2", "run-old", "run-new", "run-other", "staging-1", LEFT)
    for name in (*made, "raw", "prefect", "mlartifacts", ".lock"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * 10)
    uses = {
        "run-old": ("a", ["data-1", "run-old", "staging-1"]),
        "run-new": ("a", ["data-1", "run-new", "staging-1"]),
        "run-other": ("b", ["data-2", "run-other", "staging-1"]),
    }
    (tmp_path / USE_DIR).mkdir(parents=True)
    for age, (name, (preset, folders)) in enumerate(reversed(uses.items())):
        file = tmp_path / USE_DIR / f"{name}.json"
        file.write_text(json.dumps(_note(preset, folders, group=name)))
        os.utime(file, (1000 - age, 1000 - age))
    os.utime(tmp_path / USE_DIR / "run-new.json", (2000, 2000))
    os.utime(tmp_path / LEFT, (1000, 1000))
    return tmp_path


def _names(work_dir: Path, **choice: float) -> set[str]:
    return {one.folder.name for one in find_garbage(work_dir, **choice)}


def test_only_what_the_newest_run_of_no_preset_needs_is_named(work_dir: Path) -> None:
    assert _names(work_dir) == {"run-old", LEFT}


def test_more_runs_can_be_kept(work_dir: Path) -> None:
    assert _names(work_dir, keep=2) == {LEFT}


def test_young_folders_are_left_alone(work_dir: Path) -> None:
    assert _names(work_dir, younger_hours=1.0) == {LEFT}


def test_a_folder_of_another_version_that_no_run_names_is_named(work_dir: Path) -> None:
    (work_dir / "data-9").mkdir()
    assert "data-9" in _names(work_dir)


def test_finding_removes_nothing_and_removing_says_how_much(work_dir: Path) -> None:
    before = sorted(p.name for p in work_dir.iterdir())
    found = find_garbage(work_dir)
    assert sorted(p.name for p in work_dir.iterdir()) == before
    assert remove(found) == 20
    assert not (work_dir / "run-old").exists()
    assert (work_dir / "raw" / "file").exists()


def test_a_folder_that_somebody_writes_is_left_alone(work_dir: Path) -> None:
    found = [one for one in find_garbage(work_dir) if one.folder.name == "run-old"]
    with lock(work_dir / "run-old"):
        assert remove(found) == 0
    assert (work_dir / "run-old").exists()


def test_what_another_machine_may_still_write_is_left_alone(work_dir: Path) -> None:
    os.utime(work_dir / LEFT)
    assert LEFT not in _names(work_dir)
    assert LEFT_HOURS >= 24


def test_folder_that_a_live_process_is_making_is_left_alone(work_dir: Path) -> None:
    with replacing(work_dir / "data-5") as aside:
        (aside / "file").write_bytes(b"x")
        os.utime(aside, (1000, 1000))
        assert aside.name not in _names(work_dir)
    assert (work_dir / "data-5" / "file").exists()


def test_what_a_killed_process_of_this_machine_left_is_named_at_once(work_dir: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = work_dir / f".data-5.{socket.gethostname()}-{ended.pid}-abc.tmp"
    left.mkdir()
    assert left.name in _names(work_dir, younger_hours=1.0)


def _note_anew(work_dir: Path, name: str, **changes: object) -> None:
    file = work_dir / USE_DIR / f"{name}.json"
    seconds = file.stat().st_mtime
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    os.utime(file, (seconds, seconds))


def test_what_a_live_run_needs_is_left_alone_whatever_is_newer(work_dir: Path) -> None:
    _note_anew(work_dir, "run-old", process=(socket.gethostname(), os.getpid(), birth(os.getpid())))
    assert _names(work_dir) == {LEFT}


def test_a_run_of_another_machine_counts_as_live_for_two_days(work_dir: Path) -> None:
    _note_anew(work_dir, "run-old", process=("elsewhere", 1, "2"))
    assert "run-old" in _names(work_dir)
    os.utime(work_dir / USE_DIR / "run-old.json")
    os.utime(work_dir / USE_DIR / "run-new.json", (time.time() + 9, time.time() + 9))
    assert "run-old" not in _names(work_dir)


def test_training_seeds_of_one_leaderboard_count_as_one_run(work_dir: Path) -> None:
    for name in ("run-old", "run-new"):
        _note_anew(work_dir, name, group="board")
    assert _names(work_dir) == {LEFT}


def test_a_run_at_work_notes_its_process_and_what_it_will_make(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "encoder-1").mkdir()
    note_use(_run(tmp_path, "run-1"), [tmp_path / "encoder-1" / "unimodal-ehr"])
    os.utime(tmp_path / USE_DIR / "run-1.json", (1000, 1000))
    (tmp_path / "run-2").mkdir()
    note_use(_run(tmp_path, "run-2"))
    assert find_garbage(tmp_path) == []


def _run(work_dir: Path, name: str, arm: Arm | None = None) -> SimpleNamespace:
    paths = SimpleNamespace(work_dir=work_dir)
    return SimpleNamespace(paths=paths, run_dir=work_dir / name, preset="tiny_phenotyping", arm=arm, group_digest=name)


def test_an_arm_does_not_take_the_place_of_the_run_that_it_is_compared_with(tmp_path: Path) -> None:
    for name, arm in (("run-whole", None), ("run-arm", Arm.WITHOUT_DN)):
        (tmp_path / name).mkdir()
        note_use(_run(tmp_path, name, arm))
        _note_anew(tmp_path, name, process=(socket.gethostname(), os.getpid(), "another birth"))
    assert find_garbage(tmp_path) == []
