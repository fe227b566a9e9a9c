"""Processes that we start and stop: known by their birth and by a mark in their environment, never by a name."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

MARK = "MEDPATCH_SERVICE"
"""Environment variable of every process that `medpatch up` starts, inherited by whatever those start."""
STOP_SECONDS = 15.0
PR_SET_PDEATHSIG = 1


def birth(pid: int) -> str | None:
    """When that process began, in a form that no other process of this pid shares; None if there is none.

    Linux: ticks since boot, which a changed wall clock does not move. Elsewhere: seconds since 1970.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if sys.platform == "linux":
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{process.create_time():.2f}"
    except (psutil.Error, OSError, IndexError):
        return None


def is_alive(pid: int, born: str) -> bool:
    """True if the very process that was recorded still runs; a reused pid has another birth."""
    return birth(pid) == born


def start(command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process of its own session, which outlives us; its output is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def start_tethered(command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process that the kernel ends with us, even where we are killed outright.

    Linux only: elsewhere it is an ordinary child, which ends with us unless we are killed with SIGKILL.
    Call from the main thread: the kernel watches the thread that started it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            # safe: the function only calls prctl and getppid, and takes no lock between fork and exec
            preexec_fn=_tether(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def marked(token: str) -> list[psutil.Process]:
    """Every living process of this user whose environment carries our mark with this token, ourselves left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == token:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def stop(processes: Iterable[psutil.Process]) -> int:
    """Ask each to end, wait, kill those that stay; how many there were."""
    chosen = list(processes)
    for process in chosen:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(chosen, timeout=STOP_SECONDS)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=STOP_SECONDS)
    return len(chosen)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil refuses a pid that meanwhile belongs to another process
    except psutil.NoSuchProcess:
        return


def _tether(parent: int):
    """What the child does between fork and exec: ask for SIGTERM at the parent's death, end if it is dead already."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tether() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return tether
