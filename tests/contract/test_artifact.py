"""Folders are whole or absent, and known to be current or not."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from medpatch.config.error import ContractError, ResourceError
from medpatch.contract.artifact import DESCRIPTION, fingerprint, is_current, is_whole, writing


def _write(target: Path, *, inputs: str = "a", text: str = "one") -> None:
    with writing(target, inputs=inputs) as aside:
        (aside / "file.txt").write_text(text)


def test_finished_folder_is_current_for_its_inputs_only(tmp_path: Path) -> None:
    _write(tmp_path / "made")
    assert is_current(tmp_path / "made", inputs="a")
    assert not is_current(tmp_path / "made", inputs="b")


def test_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half"), writing(tmp_path / "made", inputs="a") as aside:
        (aside / "file.txt").write_text("half")
        raise RuntimeError("half")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "no words"),
        pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)"),
    ],
)
def test_full_disk_is_named_with_its_folder_and_what_to_do(tmp_path: Path, error: Exception) -> None:
    with (
        pytest.raises(ResourceError, match=rf"the disk is full: .* below {tmp_path}.*free some") as raised,
        writing(tmp_path / "made", inputs="a"),
    ):
        raise error
    assert raised.value.__cause__ is error
    assert list(tmp_path.iterdir()) == []


def test_error_keeps_the_older_folder(tmp_path: Path) -> None:
    _write(tmp_path / "made", text="old")
    with pytest.raises(RuntimeError, match="half"), writing(tmp_path / "made", inputs="b"):
        raise RuntimeError("half")
    assert (tmp_path / "made" / "file.txt").read_text() == "old"
    assert is_current(tmp_path / "made", inputs="a")


def test_second_writing_replaces_the_first(tmp_path: Path) -> None:
    _write(tmp_path / "made", text="old")
    _write(tmp_path / "made", inputs="b", text="new")
    assert (tmp_path / "made" / "file.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_truncated_file_makes_the_folder_stale(tmp_path: Path) -> None:
    _write(tmp_path / "made", text="longer text")
    (tmp_path / "made" / "file.txt").write_text("lon")
    assert not is_current(tmp_path / "made", inputs="a")


def test_missing_file_makes_the_folder_stale(tmp_path: Path) -> None:
    _write(tmp_path / "made")
    (tmp_path / "made" / "file.txt").unlink()
    assert not is_current(tmp_path / "made", inputs="a")


def test_changed_code_makes_the_folder_stale(tmp_path: Path) -> None:
    with writing(tmp_path / "made", inputs="a", packages=("config",)) as aside:
        (aside / "file.txt").write_text("one")
    assert is_current(tmp_path / "made", inputs="a", packages=("config",))
    assert not is_current(tmp_path / "made", inputs="a", packages=("align",))


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="nothing was written"), writing(tmp_path / "made", inputs="a"):
        pass
    assert not (tmp_path / "made").exists()


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    _write(tmp_path / "made")
    first = fingerprint(tmp_path / "made")
    _write(tmp_path / "made")
    assert fingerprint(tmp_path / "made") == first
    _write(tmp_path / "made", inputs="b")
    assert fingerprint(tmp_path / "made") == first, "what follows sees what came out, not what it was made from"
    _write(tmp_path / "made", text="two")
    assert fingerprint(tmp_path / "made") != first


def test_notes_of_a_folder_do_not_change_its_fingerprint(tmp_path: Path) -> None:
    found = []
    for stamp in ("one", "two"):
        with writing(tmp_path / "made", inputs="a", notes=("stamp",)) as aside:
            (aside / "kept").write_text("same")
            (aside / "stamp").write_text(stamp)
        found.append(fingerprint(tmp_path / "made"))
    assert found[0] == found[1]
    (tmp_path / "made" / "stamp").unlink()
    assert not is_whole(tmp_path / "made")


def test_fingerprint_tells_other_bytes_of_the_same_size_apart(tmp_path: Path) -> None:
    _write(tmp_path / "made", text="one")
    first = fingerprint(tmp_path / "made")
    _write(tmp_path / "made", text="two")
    assert fingerprint(tmp_path / "made") != first


def test_what_a_killed_process_left_is_swept_and_a_running_ones_is_not(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    left = tmp_path / f".made.{host}-{ended.pid}-abcdef.tmp"
    running = tmp_path / f".made.{host}-{os.getpid()}-abcdef.tmp"
    elsewhere = tmp_path / f".made.other-host-{ended.pid}-abcdef.tmp"
    for folder in (left, running, elsewhere):
        folder.mkdir()
    _write(tmp_path / "made")
    assert [left.exists(), running.exists(), elsewhere.exists()] == [False, True, True]


def test_fingerprint_of_an_unfinished_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(ContractError, match=DESCRIPTION):
        fingerprint(tmp_path / "made")
