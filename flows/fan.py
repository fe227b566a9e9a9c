"""The parts of one step on Prefect's Dask task runner, or on the cores of this process."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from medpatch.align.part import on_threads
from medpatch.config.error import ServiceError
from medpatch.config.runner import Runner, RunnerConfig

if TYPE_CHECKING:
    from prefect_dask import DaskTaskRunner

Job, Part = TypeVar("Job"), TypeVar("Part")
Spread = Callable[[Callable[[Job], Part], Iterable[Job]], Iterable[Part]]
IN_FLIGHT_PER_WORKER = 2
"""Parts that are out at a time: enough to keep a worker busy, few enough to hold their results."""


def spread_over(config: RunnerConfig, *, title: str, name_of: Callable[[Any], str] | None = None) -> Spread:
    """Something like `map` that uses this runner: results in the order of the jobs, whoever is done first.

    On Dask the parts are tasks of a subflow called `title`, named by `name_of` their job, else numbered. Function,
    jobs and results travel between processes: they are module-level functions, frozen records and tables, and
    paths must mean the same everywhere.

    Raises:
        ServiceError: no Dask scheduler answers at the address.
    """
    if config.runner is Runner.LOCAL:
        return on_threads
    return lambda function, jobs: _on_dask(config, function, jobs=jobs, title=title, name_of=name_of)


def _on_dask(
    config: RunnerConfig,
    function: Callable[[Job], Part],
    *,
    jobs: Iterable[Job],
    title: str,
    name_of: Callable[[Any], str] | None,
) -> Iterator[Part]:
    limit = IN_FLIGHT_PER_WORKER * _worker_count(config)
    kept = _KeptHere((name_of(job) if name_of else f"{title} {number}", job) for number, job in enumerate(jobs))

    @flow(name=title, flow_run_name=title, task_runner=dask_runner(config))
    def parts() -> Iterator[Part]:
        out: deque[Any] = deque()
        for name, job in kept.value:
            out.append(one_part.submit(function, job, name=name))
            if len(out) >= limit:
                yield out.popleft().result()
        while out:
            yield out.popleft().result()

    yield from parts()


class _KeptHere:
    """A value that the subflow uses and no worker needs: the flow travels with its tasks, this does not."""

    def __init__(self, value: Any = ()) -> None:
        self.value = value

    def __reduce__(self) -> tuple[type["_KeptHere"], tuple[()]]:
        return (_KeptHere, ())


@task(name="part", task_run_name="{name}", cache_policy=NO_CACHE)
def one_part(function: Callable[[Job], Part], job: Job, *, name: str) -> Part:
    """One job, on whichever worker takes it."""
    return function(job)


def dask_runner(config: RunnerConfig) -> "DaskTaskRunner":
    """Prefect's task runner on the cluster at the address, or on a local one of so many single-threaded processes.

    Raises:
        ServiceError: no scheduler answers there.
    """
    from prefect_dask import DaskTaskRunner

    if config.address is not None:
        _worker_count(config)
        return DaskTaskRunner(address=config.address)
    local = {"n_workers": config.workers, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    return DaskTaskRunner(cluster_kwargs=local)


def _worker_count(config: RunnerConfig) -> int:
    if config.address is None:
        return config.workers
    from distributed import Client

    try:
        with Client(config.address, timeout="10s", set_as_default=False) as client:
            return max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"no Dask scheduler answers at {config.address} ({type(error).__name__}); start one "
            "(docs/operations.md), or leave runner.address empty for a cluster of this machine"
        ) from error
