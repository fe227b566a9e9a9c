"""The Prefect server that a command talks to: the one that runs, or one of its own that ends with it."""

import errno
import gc
import logging
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from flows.process import start_tethered
from flows.record import HOST, PREFECT, answers, read_record
from flows.run_command import log_tail
from flows.watch import end_with, watched
from medpatch.config.error import MedPatchError, ServiceError
from medpatch.config.path import PathConfig, child_environment, prefect_api, set_prefect_api
from medpatch.contract.disk import full_disk
from medpatch.contract.lock import lock

logger = logging.getLogger(__name__)

READY_SECONDS = 90.0
STOP_SECONDS = 10.0
DRAIN_SECONDS = 5.0
POLL_SECONDS = 0.05
STORE_BYTES = 16 * 2**20
"""A new store of Prefect's and its journal take a third of it."""
VIEW = "View at http"
IMPORTED_LATE = "fastapi.encoders"
"""Prefect imports it when a flow begins; there is time for it while the server starts."""
SERVER = Path(__file__).with_name("temporary_server.py")


@dataclass(frozen=True)
class Api:
    """The Prefect API of a command.

    Attributes:
        address: its URL.
        wait: returns when it answers.
    """

    address: str
    wait: Callable[[], None]


@contextmanager
def api_server(paths: PathConfig, *, needs_worker: bool = False) -> Iterator[Api]:
    """The API to use: PREFECT_API_URL, the server of `medpatch up`, or a temporary one.

    Enter before prefect is imported, which reads the address once; import it and ours before `wait`, for a
    temporary server takes seconds to start. It ends with the block, and with this process if it is killed.
    Where any of them ends before the block does, this process ends too (`flows.watch`).

    Args:
        paths: of the command.
        needs_worker: the command leaves work to a worker, and a temporary server has none.

    Raises:
        ServiceError: PREFECT_API_URL does not answer, none runs that has workers, or (by `wait`) the temporary
            server did not start.
    """
    given = prefect_api()
    if given:
        if not answers(f"{given}/health"):
            raise ServiceError(
                f"no Prefect server answers at PREFECT_API_URL={given}; start it (`medpatch up`), or unset the "
                "variable to run with a temporary server"
            )
        with watched(given):
            yield Api(given, wait=_no_wait)
        return
    record = read_record(paths)
    service = record.services.get(PREFECT) if record else None
    if service is not None and service.answers:
        address = f"{service.address}/api"
        set_prefect_api(address)
        with watched(address):
            yield Api(address, wait=_no_wait)
        return
    if needs_worker:
        raise ServiceError(
            "--training gpu_queue needs a Prefect server that stays and a worker on its queue gpu, and none runs for "
            f"{paths.work_dir}; start them (`medpatch up`), name a server by PREFECT_API_URL, or leave the option out "
            "to train in this command"
        )
    if service is not None:
        logger.warning("the Prefect server of `medpatch up` is down: using a temporary one; see `medpatch status`")
    with _temporary(paths) as api:
        yield api


@contextmanager
def _temporary(paths: PathConfig) -> Iterator[Api]:
    log = paths.work_dir / "log" / "prefect-temporary.log"
    port = _free_port()
    switches = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    line = [sys.executable, "-P", str(SERVER), str(port)]
    stack, starting, is_over = ExitStack(), ExitStack(), threading.Event()
    starting.enter_context(lock(paths.work_dir / "prefect.db"))  # two new servers would make one store at once
    process = start_tethered(line, log=log, environment=child_environment(paths, **switches))
    api = f"http://{HOST}:{port}/api"

    def wait() -> None:
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        import_module(IMPORTED_LATE)
        gc.freeze()
        gc.enable()
        # nothing listens to heartbeats here, and the end of a flow waits for a second of them
        stack.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        deadline = time.monotonic() + READY_SECONDS
        while not answers(f"{api}/health"):
            if process.poll() is not None:
                raise _ended(process.returncode, log)
            if time.monotonic() > deadline:
                raise ServiceError(f"Prefect's temporary server did not answer in time; {log_tail(log)}")
            time.sleep(POLL_SECONDS)
        starting.close()
        end_with(process, is_over)

    gc.disable()  # the caller imports now, and nothing of that is ever freed
    try:
        set_prefect_api(api)
        say_where_to_look(paths.work_dir)
        with stack, starting:
            yield Api(api, wait=wait)
    finally:
        gc.enable()
        is_over.set()
        _send_the_rest()
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ended(code: int, log: Path) -> MedPatchError:
    """Why the server could not start; one that finds no room for its store finds none for its log either."""
    if shutil.disk_usage(log.parent).free < STORE_BYTES:
        return full_disk(log.parent.parent, OSError(errno.ENOSPC, "no room for Prefect's store"))
    return ServiceError(f"Prefect's temporary server ended with code {code}; {log_tail(log)}")


def say_where_to_look(work_dir: Path) -> None:
    """In place of Prefect's addresses of run pages, which end with the temporary server, say how to see them later."""

    def mend(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith(VIEW):
            record.msg, record.args = f"To see it in a browser afterwards: medpatch up --work-dir {work_dir}", ()
        return True

    logging.getLogger("prefect.flow_runs").addFilter(mend)


def _no_wait() -> None:
    """It answers already."""


def _send_the_rest() -> None:
    """Logs and events that prefect still holds, while the server is there to take them."""
    if "prefect.logging.handlers" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=DRAIN_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
