"""A run ends with a name where its Prefect server is gone: Prefect alone would ask again for minutes."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from flows.process import stop
from flows.record import Answer, probe

PROBE_SECONDS = 3.0
GONE_PROBES = 15
"""Nothing listens there so often in a row, about 45 s: longer than `medpatch up` needs to start a server again."""
SILENT_PROBES = 40
"""So often in a row it does not answer in time, or with an error: a server that is busy may be slow for minutes."""
SERVER_LOST = (
    "the Prefect server stopped answering; what was finished is kept: run the same command again, with a server that "
    "stays (`medpatch up`) or with a temporary one"
)


@contextmanager
def watched(api: str) -> Iterator[None]:
    """While the block runs, this process ends where that server does."""
    is_over = threading.Event()
    watch(api, is_over)
    try:
        yield
    finally:
        is_over.set()


def watch(api: str, is_over: threading.Event | None = None) -> None:
    """End this process where that server ends, until told that all is over.

    Consecutive answers are counted and not seconds, so that a machine that slept loses nothing.
    """
    over = is_over or threading.Event()

    def ask() -> None:
        gone, silent = 0, 0
        while not over.wait(PROBE_SECONDS):
            answer = probe(f"{api}/health")
            gone = gone + 1 if answer is Answer.GONE else 0
            silent = silent + 1 if answer is not Answer.WELL else 0
            if (gone >= GONE_PROBES or silent >= SILENT_PROBES) and not over.is_set():
                end_lost()

    threading.Thread(target=ask, name="server-watch", daemon=True).start()


def end_with(server: subprocess.Popen[bytes], is_over: threading.Event) -> None:
    """The same for a server that is a child of this process: at once."""

    def follow() -> None:
        server.wait()
        if not is_over.is_set():
            end_lost()

    threading.Thread(target=follow, name="server-watch", daemon=True).start()


def end_lost() -> None:
    """Say what happened, end what this process started (training on several processes, a Dask cluster), and it."""
    sys.stderr.write(f"\nServerLostError: {SERVER_LOST}\n")
    sys.stderr.flush()
    try:
        stop(psutil.Process().children(recursive=True))
    finally:
        os._exit(1)
