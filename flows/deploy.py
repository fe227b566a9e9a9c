"""What a running Prefect server must know: the work pool, its queues, the GPU limit, the deployments."""

import time

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows.gpu import GPU
from flows.journal import close_abandoned
from flows.record import Service
from flows.run_command import command, log_tail, run_checked
from medpatch.config.error import ServiceError
from medpatch.config.path import REPOSITORY_DIR, PathConfig

POOL = "medpatch-pool"
DEFAULT = "default"
"""The queue that Prefect makes with a pool."""
WORKER_SECONDS = 60.0


def prepare(paths: PathConfig, *, api: str, environment: dict[str, str]) -> None:
    """Pool, queue `gpu`, limit `gpu`, every deployment of prefect.yaml; what is there stays as it is.

    Raises:
        ServiceError: a command failed; its output is quoted.
    """
    with SyncPrefectClient(api=api) as client:
        if not _has_pool(client):
            line = [*command("prefect"), "work-pool", "create", POOL, "--type", "process"]
            run_checked(line, environment=environment, folder=REPOSITORY_DIR)
        _create_queue(client, GPU)
        _create_limit(client, GPU, slots=1)
        # prefect.yaml takes the folder of the flows from PWD, which a launcher may have left at its own folder
        here = environment | {"PWD": str(REPOSITORY_DIR)}
        run_checked([*command("prefect"), "deploy", "--all", "--no-prompt"], environment=here, folder=REPOSITORY_DIR)
        close_abandoned(paths, client)


def wait_for_worker(api: str, worker: str, *, service: Service) -> None:
    """Until that worker has reported to the server.

    Raises:
        ServiceError: it ended, or did not report in time.
    """
    deadline = time.monotonic() + WORKER_SECONDS
    with SyncPrefectClient(api=api) as client:
        while time.monotonic() < deadline:
            if any(w.name == worker and w.status == "ONLINE" for w in _workers(client)):
                return
            if not service.is_alive:
                raise ServiceError(f"the worker ended before it reported; {log_tail(service.log)}")
            time.sleep(0.3)
    raise ServiceError(f"the worker did not report within {WORKER_SECONDS:.0f} s; {log_tail(service.log)}")


def deployments(api: str) -> list[str]:
    """flow/deployment of everything that the server can run, sorted."""
    with SyncPrefectClient(api=api) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        return sorted(f"{flows[d.flow_id]}/{d.name}" for d in client.read_deployments() if d.flow_id in flows)


def _has_pool(client: SyncPrefectClient) -> bool:
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        return False
    return True


def _workers(client: SyncPrefectClient) -> list:
    return client.read_workers_for_work_pool(POOL)


def _create_queue(client: SyncPrefectClient, name: str) -> None:
    try:
        client.create_work_queue(name=name, work_pool_name=POOL)
    except ObjectAlreadyExists:
        return


def _create_limit(client: SyncPrefectClient, name: str, *, slots: int) -> None:
    try:
        client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
