"""The Prefect server that a command talks to: the one that runs, or one of its own that ends with it."""

import importlib.util
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flows.process import start_tethered
from flows.record import HOST, PREFECT, answers, read_record
from flows.run_command import log_tail
from medpatch.config.error import ServiceError
from medpatch.config.path import PathConfig, child_environment, prefect_api, set_prefect_api

logger = logging.getLogger(__name__)

READY_SECONDS = 90.0
STOP_SECONDS = 10.0
DRAIN_SECONDS = 5.0


@contextmanager
def api_server(paths: PathConfig) -> Iterator[str]:
    """Address of the API to use: PREFECT_API_URL, the server of `medpatch up`, or a temporary one.

    Enter before prefect is imported, which reads the address once. The temporary server ends with the block,
    and with this process if it is killed.

    Raises:
        ServiceError: PREFECT_API_URL does not answer, or the temporary server did not start.
    """
    given = prefect_api()
    if given:
        if not answers(f"{given}/health"):
            raise ServiceError(
                f"no Prefect server answers at PREFECT_API_URL={given}; start it (`medpatch up`), or unset the "
                "variable to run with a temporary server"
            )
        yield given
        return
    record = read_record(paths)
    service = record.services.get(PREFECT) if record else None
    if service is not None and service.answers:
        set_prefect_api(f"{service.address}/api")
        yield f"{service.address}/api"
        return
    if service is not None:
        logger.warning("the Prefect server of `medpatch up` is down: using a temporary one; see `medpatch status`")
    with _temporary(paths) as api:
        set_prefect_api(api)
        yield api


@contextmanager
def _temporary(paths: PathConfig) -> Iterator[str]:
    log = paths.work_dir / "log" / "prefect-temporary.log"
    port = _free_port()
    home = importlib.util.find_spec("prefect").submodule_search_locations[0]
    line = [
        *(sys.executable, "-m", "uvicorn", "--app-dir", home, "--factory", "prefect.server.api.server:create_app"),
        *("--host", HOST, "--port", str(port), "--log-level", "error", "--timeout-graceful-shutdown", "3"),
    ]
    switches = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    process = start_tethered(line, log=log, environment=child_environment(paths, **switches))
    try:
        api = f"http://{HOST}:{port}/api"
        deadline = time.monotonic() + READY_SECONDS
        while not answers(f"{api}/health"):
            if process.poll() is not None:
                raise ServiceError(f"Prefect's temporary server ended with code {process.returncode}; {log_tail(log)}")
            if time.monotonic() > deadline:
                raise ServiceError(f"Prefect's temporary server did not answer in time; {log_tail(log)}")
            time.sleep(0.1)
        yield api
    finally:
        _send_the_rest()
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
