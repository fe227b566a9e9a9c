"""One writer at a time: a lock on a file that the operating system lets go of when its holder dies."""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from medpatch.config.error import BusyError

logger = logging.getLogger(__name__)

LOCK_DIR = ".lock"
POLL_SECONDS = 0.2


@contextmanager
def lock(target: Path, *, wait_seconds: float | None = None) -> Iterator[bool]:
    """Hold the lock of `target`, a folder or file that need not exist; yields True if it had to be waited for.

    The lock is a file of the same name in `.lock/` beside the target. Nothing has to be cleaned up after a kill:
    the kernel releases it, and the file that stays behind means nothing. Only Linux and macOS, and only file
    systems that honour flock (local disks, NFS from version 4, Lustre mounted with flock).

    Args:
        target: what is about to be written.
        wait_seconds: give up after this long, 0 at once; None waits without end.

    Raises:
        BusyError: another process holds it for longer than `wait_seconds`.
    """
    file = target.parent / LOCK_DIR / f"{target.name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as held:
        waited = _acquire(held, target, wait_seconds=wait_seconds)
        held.truncate(0)
        held.write(json.dumps({"pid": os.getpid()}))
        held.flush()
        try:
            yield waited
        finally:
            held.truncate(0)
            fcntl.flock(held, fcntl.LOCK_UN)


def _acquire(held: IO[str], target: Path, *, wait_seconds: float | None) -> bool:
    start = time.monotonic()
    is_said = False
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return is_said
        except BlockingIOError:
            holder = _holder(held)
        if wait_seconds is not None and time.monotonic() - start >= wait_seconds:
            raise BusyError(
                f"{target}: {holder} is writing it; wait until that one ends, or use another work folder (--work-dir)"
            )
        if not is_said:
            logger.warning("%s: %s is writing it; waiting, then what it left is used", target, holder)
            is_said = True
        time.sleep(POLL_SECONDS)


def _holder(held: IO[str]) -> str:
    held.seek(0)
    try:
        return f"process {json.loads(held.read())['pid']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
