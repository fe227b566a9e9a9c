"""Processes are known by birth and mark, end with us when tethered, and are stopped to the last child."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.process import MARK, birth, is_alive, marked, start, start_tethered, stop

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
PARENT = """
import os, sys, time
from pathlib import Path
from flows.process import start_tethered
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
child = start_tethered(sleep, log=Path(sys.argv[1]), environment=os.environ)
print(child.pid, flush=True)
time.sleep(60)
"""


def _gone(pid: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if birth(pid) is None:
            return True
        time.sleep(0.02)
    return False


def test_birth_tells_a_process_from_a_later_one_of_the_same_pid() -> None:
    assert is_alive(os.getpid(), birth(os.getpid()))
    assert not is_alive(os.getpid(), "another birth")


def test_a_pid_that_nobody_has_was_never_born() -> None:
    assert birth(2**22 + 1) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_tethered_process_ends_when_its_parent_is_killed_outright(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert birth(child) is not None
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert _gone(child)


def test_marked_processes_are_found_although_their_parent_is_gone(tmp_path: Path) -> None:
    grandchild = f"import subprocess, sys; subprocess.Popen({SLEEP!r}, start_new_session=True)"
    environment = {**os.environ, MARK: "test-token-1"}
    process = start([sys.executable, "-c", grandchild], log=tmp_path / "log", environment=environment)
    process.wait()
    found = marked("test-token-1")
    assert len(found) == 1
    assert stop(found) == 1
    assert marked("test-token-1") == []


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.process.STOP_SECONDS", 0.3)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    process = start([sys.executable, "-c", deaf], log=tmp_path / "log", environment=os.environ)
    while "on" not in (tmp_path / "log").read_text():
        time.sleep(0.02)
    stop([psutil.Process(process.pid)])
    assert birth(process.pid) is None


def test_an_ordinary_process_ends_with_the_block_that_started_it(tmp_path: Path) -> None:
    process = start_tethered(SLEEP, log=tmp_path / "log", environment=os.environ)
    process.terminate()
    assert process.wait() == -signal.SIGTERM
