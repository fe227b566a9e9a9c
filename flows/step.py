"""The task decorator of this project."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from flows.failure import explained


def step(name: str, *, run_name: str | None = None) -> Callable[[Callable[..., Any]], Task[..., Any]]:
    """A Prefect task of that name; its runs are shown as `run_name`, which may hold "{parameter}", or as `name`.

    Prefect's own result cache stays off: a step looks at the folder it would write, which knows its inputs,
    its code and its files (`contract.artifact`), and returns at once where that is current. Errors are named
    (`flows.failure`).
    """

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        @wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            with explained(name):
                return function(*arguments, **named)

        return task(name=name, task_run_name=run_name or name, cache_policy=NO_CACHE)(run)

    return decorate
