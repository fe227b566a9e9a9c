"""One writer at a time, and nothing left behind by a killed one."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from medpatch.config.error import BusyError
from medpatch.contract.lock import LOCK_DIR, lock

HOLD = """
import sys, time
from pathlib import Path
from medpatch.contract.lock import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


ADD = """
import sys
from pathlib import Path
from medpatch.contract import lock as module
module.POLL_SECONDS = 0.001
target, count = map(Path, sys.argv[1:])
for _ in range(50):
    with module.lock(target):
        number = int(count.read_text())
        count.write_text(str(number + 1))
"""


def test_a_second_holder_is_refused_with_the_first_ones_number(tmp_path: Path) -> None:
    with lock(tmp_path / "a"), pytest.raises(BusyError, match=f"process {os.getpid()} is writing it"):
        _hold(tmp_path / "a")


def _hold(target: Path) -> None:
    with lock(target, wait_seconds=0):
        pass


def test_a_lock_leaves_nothing_beside_its_target(tmp_path: Path) -> None:
    with lock(tmp_path / "a"):
        assert [p.name for p in tmp_path.iterdir()] == [LOCK_DIR]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_leaves_those_of_others(tmp_path: Path) -> None:
    with lock(tmp_path / "a"):
        with lock(tmp_path / "b"):
            pass
        with pytest.raises(BusyError):
            _hold(tmp_path / "a")


def test_many_that_take_and_remove_one_lock_are_never_in_it_together(tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0")
    command = [sys.executable, "-c", ADD, str(tmp_path / "a"), str(count)]
    many = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(timeout=60) for process in many] == [0] * 4
    assert count.read_text() == "200"
    assert [p.name for p in tmp_path.iterdir()] == ["count"]


def test_folder_of_locks_that_goes_while_it_is_being_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = os.mkdir, []

    def mkdir(path: str, *rest: object) -> None:
        asked.append(path)
        if len(asked) == 1:  # there when it was to be made, and gone when it was looked at
            raise FileExistsError(path)
        real(path, *rest)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with lock(tmp_path / "a", wait_seconds=0):
        assert len(asked) == 2


def test_file_in_the_place_of_the_folder_of_locks_is_an_error(tmp_path: Path) -> None:
    (tmp_path / LOCK_DIR).write_text("")
    with pytest.raises(FileExistsError):
        _hold(tmp_path / "a")


def test_two_targets_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with lock(tmp_path / "a") as first, lock(tmp_path / "b", wait_seconds=0) as second:
        assert (first, second) == (False, False)


def test_whoever_waited_is_told_so(tmp_path: Path) -> None:
    has_begun, waited = threading.Event(), []

    def wait() -> None:
        has_begun.set()
        with lock(tmp_path / "a") as was_waited_for:
            waited.append(was_waited_for)

    with lock(tmp_path / "a"):
        thread = threading.Thread(target=wait)
        thread.start()
        has_begun.wait()
        thread.join(timeout=0.1)
    thread.join(timeout=5)
    assert waited == [True]


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match=f"process {holder.pid}"):
        _hold(tmp_path / "a")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    _hold(tmp_path / "a")
