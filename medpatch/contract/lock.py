"""One writer at a time: a lock on a file that the operating system lets go of when its holder dies."""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from medpatch.config.error import BusyError

logger = logging.getLogger(__name__)

LOCK_DIR = ".lock"
POLL_SECONDS = 0.2


@contextmanager
def lock(target: Path, *, wait_seconds: float | None = None) -> Iterator[bool]:
    """Hold the lock of `target`, a folder or file that need not exist; yields True if it had to be waited for.

    The lock is a file of the same name in `.lock/` beside the target, and goes with its last holder. Nothing has to
    be cleaned up after a kill: the kernel releases it, and the file that stays behind means nothing. Only Linux and
    macOS, and only file systems that honour flock (local disks, NFS from version 4, Lustre mounted with flock).

    Args:
        target: what is about to be written.
        wait_seconds: give up after this long, 0 at once; None waits without end.

    Raises:
        BusyError: another process holds it for longer than `wait_seconds`.
    """
    file = target.parent / LOCK_DIR / f"{target.name}.lock"
    waiting = _Waiting(target, wait_seconds)
    held = _hold(file, waiting)
    with held:
        held.truncate(0)
        held.write(json.dumps({"pid": os.getpid()}))
        held.flush()
        try:
            yield waiting.has_begun
        finally:
            held.truncate(0)
            _remove(file)  # before it is let go of: whoever waits for it sees that, and opens another
            fcntl.flock(held, fcntl.LOCK_UN)


class _Waiting:
    """Patience of one that wants a lock."""

    def __init__(self, target: Path, wait_seconds: float | None) -> None:
        self.target, self.wait_seconds = target, wait_seconds
        self.start = time.monotonic()
        self.has_begun = False

    def go_on(self, holder: str) -> None:
        """Wait a little.

        Raises:
            BusyError: for long enough.
        """
        if self.wait_seconds is not None and time.monotonic() - self.start >= self.wait_seconds:
            raise BusyError(
                f"{self.target}: {holder} is writing it; wait until that one ends, or use another work folder "
                "(--work-dir)"
            )
        if not self.has_begun:
            logger.warning("%s: %s is writing it; waiting, then what it left is used", self.target, holder)
            self.has_begun = True
        time.sleep(POLL_SECONDS)


def _hold(file: Path, waiting: _Waiting) -> IO[str]:
    """The open lock file, locked, and still the one at that path."""
    while True:
        held = _open(file)
        try:
            while not _is_locked(held):
                waiting.go_on(_holder(held))
            if _is_at(file, held):
                return held
            waiting.has_begun = True  # somebody was at work until now, and took the file away
        except BaseException:
            held.close()
            raise
        held.close()


def _open(file: Path) -> IO[str]:
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            return file.open("a+", encoding="utf-8")
        except FileNotFoundError:  # the folder went with its last lock, just now
            continue
        except FileExistsError:  # or between finding it there and asking whether it is a folder
            if file.parent.is_file():
                raise


def _is_locked(held: IO[str]) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _is_at(file: Path, held: IO[str]) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(held.fileno()))
    except FileNotFoundError:
        return False


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
    with suppress(OSError):  # other locks are in it, or it is gone already
        file.parent.rmdir()


def _holder(held: IO[str]) -> str:
    held.seek(0)
    try:
        return f"process {json.loads(held.read())['pid']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
