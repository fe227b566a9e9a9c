"""The services of one work folder: `medpatch up`, `down` and `status`; everything listens on 127.0.0.1 alone."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from flows import deploy
from flows.process import MARK, birth, marked, start, stop
from flows.record import (
    GPU_WORKER,
    HOST,
    MLFLOW,
    PORTS,
    PREFECT,
    WORKER,
    Record,
    Service,
    forget_record,
    new_record,
    read_record,
    record_file,
    write_record,
)
from flows.run_command import command, log_tail
from medpatch.config.error import ConfigError, ServiceError
from medpatch.config.path import PathConfig, child_environment
from medpatch.contract.lock import lock

READY_SECONDS = 120.0
QUEUES = {WORKER: deploy.DEFAULT, GPU_WORKER: deploy.GPU}
"""A worker for each: a run of the first queue may wait for one of the other, which must not wait for its place."""
LEASES = "prefect.server.concurrency.lease_storage.filesystem"
"""Held slots survive a restart of the server; kept in memory they would stay taken for ever after one."""

NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""MLflow would start eight more processes that judge answers of language models."""

ENDED = "has ended"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What `up` is asked for.

    Attributes:
        prefect_port: None takes the port that is in use, else 4200.
        mlflow_port: None takes the port that is in use, else 5000.
        worker_limit: flow runs that each worker takes at a time.
        has_gpu_worker: False where another machine takes from the queue gpu.
    """

    prefect_port: int | None = None
    mlflow_port: int | None = None
    worker_limit: int = 1
    has_gpu_worker: bool = True

    @property
    def queues(self) -> dict[str, str]:
        """The workers and what they take from."""
        return {name: queue for name, queue in QUEUES.items() if name != GPU_WORKER or self.has_gpu_worker}


def up(paths: PathConfig, wanted: Wanted, *, say: Say) -> Record:
    """Start what does not run, wait until each answers, deploy prefect.yaml; harmless if all runs.

    Raises:
        BusyError: another `medpatch up` or `down` of this work folder is at work.
        ConfigError: a port is taken or asked for twice, or a service runs on another port than the one asked for.
        ServiceError: a server ended or stayed silent, or the deployment failed; the log's last lines are quoted, and
            what runs nevertheless.
    """
    with lock(record_file(paths), wait_seconds=0), _what_runs_is_said(paths):
        record = read_record(paths) or new_record()
        ports = {PREFECT: wanted.prefect_port, MLFLOW: wanted.mlflow_port}
        chosen = {name: _port(record, name, asked=port) for name, port in ports.items()}
        if chosen[PREFECT] == chosen[MLFLOW]:
            raise ConfigError(
                f"port {chosen[PREFECT]} is asked for by both Prefect and MLflow; "
                "give one of them another (--prefect-port, --mlflow-port)"
            )
        broken = {name: s for name, s in record.services.items() if not s.answers}
        missing = [name for name in (PREFECT, MLFLOW) if name in broken or name not in record.services]
        for name, service in broken.items():
            say(f"{name}: process {service.pid} {'is silent' if service.is_alive else 'is gone'}; starting it anew")
        workers = [n for n in wanted.queues if PREFECT in missing or n in broken or n not in record.services]
        replaced = [n for n in QUEUES if n in record.services and (n in workers or n not in wanted.queues)]
        stop(_processes([*broken.values(), *(record.services[name] for name in replaced)]))
        record = record.without(replaced)
        for name in missing:
            refuse_taken(name, chosen[name])
        if missing:
            say(f"starting {' and '.join(missing)}; each has {READY_SECONDS:.0f} s to answer")
        for name in missing:
            record = _start(paths, record, name=name, line=_line(paths, name, port=chosen[name]), port=chosen[name])
        for name in missing:
            _wait(record.services[name], name)
        api = f"{record.services[PREFECT].address}/api"
        say("deploying prefect.yaml")
        deploy.prepare(paths, api=api, environment=_environment(paths, record, api=api))
        if workers:
            say(f"starting {' and '.join(workers)}")
        for name in workers:
            line = [*command("prefect"), "worker", "start", "--pool", deploy.POOL, "--work-queue", wanted.queues[name]]
            line += ["--name", f"medpatch-{name}-{record.token}", "--limit", str(wanted.worker_limit)]
            record = _start(paths, record, name=name, line=line, api=api)
        for name in workers:
            deploy.wait_for_worker(api, f"medpatch-{name}-{record.token}", service=record.services[name])
        return record


def down(paths: PathConfig) -> int:
    """Stop exactly what `up` started here, and whatever those started; how many processes that were."""
    with lock(record_file(paths), wait_seconds=0):
        record = read_record(paths)
        if record is None:
            return 0
        count = stop(_processes(record.services.values()))
        count += sum(stop(marked(record.token)) for _ in range(2))  # one may have started another
        forget_record(paths)
        return count


def status(paths: PathConfig) -> list[tuple[str, str, str]]:
    """(service, state, address or log) of each service that was started here."""
    record = read_record(paths)
    rows = []
    for service in record.services.values() if record else ():
        if service.answers:
            state = "runs"
        elif service.is_alive:
            state = "lives but does not answer"
        else:
            state = ENDED
        rows.append((service.name, state, service.address if service.answers and service.address else str(service.log)))
    return rows


def refuse_taken(name: str, port: int) -> None:
    """Nothing listens on that port.

    Raises:
        ConfigError: something does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} for {name} is taken on {HOST}; stop what uses it or choose another "
                f"(--{name.lower()}-port, or make up {name.upper()}_PORT=…)"
            ) from error


@contextmanager
def _what_runs_is_said(paths: PathConfig) -> Iterator[None]:
    """Where a service does not start, the error says which others run nevertheless, and how to stop them."""
    try:
        yield
    except ServiceError as error:
        names = [name for name, state, _ in status(paths) if state != ENDED]
        if names:
            left = f"{' and '.join(names)} of {paths.work_dir} still run{'s' if len(names) == 1 else ''}"
            error.args = (f"{error}\n{left}; `medpatch down` stops what was started",)
        raise


def _port(record: Record, name: str, *, asked: int | None) -> int:
    used = record.services[name].port if _answers(record, name) else None
    if asked is not None and used is not None and asked != used:
        raise ConfigError(f"{name} runs on port {used}, asked for {asked}; `medpatch down` first")
    return asked or used or PORTS[name]


def _answers(record: Record, name: str) -> bool:
    return name in record.services and record.services[name].answers


def _line(paths: PathConfig, name: str, *, port: int) -> list[str]:
    """The command that serves it."""
    place = ["--host", HOST, "--port", str(port)]
    if name == PREFECT:
        return [*command("prefect"), "server", "start", *place]
    paths.mlflow_artifact_dir.mkdir(parents=True, exist_ok=True)
    store = ["--backend-store-uri", paths.store_to_serve, "--default-artifact-root", paths.mlflow_artifact_dir.as_uri()]
    return [*command("mlflow"), "server", *place, "--workers", "1", *store]


def _environment(
    paths: PathConfig, record: Record, *, api: str | None = None, ui_api: str | None = None
) -> dict[str, str]:
    """Of a service; `ui_api` is where the pages of the Prefect server look for it, which is its own port."""
    more = {MARK: record.token, "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES, **NO_JOBS}
    if ui_api is not None:
        more["PREFECT_SERVER_UI_API_URL"] = ui_api
    if api is not None:
        more |= {"PREFECT_API_URL": api, "PREFECT_WORKER_QUERY_SECONDS": "2"}
    return child_environment(paths, **more)


def _start(
    paths: PathConfig,
    record: Record,
    *,
    name: str,
    line: Sequence[str],
    port: int | None = None,
    api: str | None = None,
) -> Record:
    """Start it and write that down at once, so that `down` finds it even if we end here."""
    log = paths.work_dir / "log" / f"{name.lower()}.log"
    ui_api = f"http://{HOST}:{port}/api" if name == PREFECT else None
    process = start(line, log=log, environment=_environment(paths, record, api=api, ui_api=ui_api))
    service = Service(name=name, pid=process.pid, birth=birth(process.pid) or "", port=port, log=log)
    record = record.with_service(service)
    write_record(paths, record)
    return record


def _wait(service: Service, name: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if service.answers:
            return
        if not service.is_alive:
            raise ServiceError(f"the {name} server ended before it answered; {log_tail(service.log)}")
        time.sleep(0.2)
    raise ServiceError(f"the {name} server did not answer within {READY_SECONDS:.0f} s; {log_tail(service.log)}")


def _processes(services: Iterable[Service]) -> list[psutil.Process]:
    """The recorded processes that still are themselves, with everything below them."""
    found: dict[int, psutil.Process] = {}
    for service in services:
        if not service.is_alive:
            continue
        try:
            process = psutil.Process(service.pid)
            found |= {p.pid: p for p in (process, *process.children(recursive=True))}
        except psutil.Error:
            continue
    return list(found.values())
