"""Failures as a person needs them: which step, what happened, what to do."""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpx
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from prefect.logging.handlers import PrefectConsoleHandler

from medpatch.config.error import MedPatchError, ResourceError, ServerLostError, ServiceError
from medpatch.track.find import is_of_newer_mlflow

logger = logging.getLogger(__name__)

KEEPS = "What earlier steps left is kept: mend the cause, and the next run goes on from there."
FAILED = "Finished in state Failed"
KEY = "failure"
"""Of the artifact that explains one."""
TOLD = "_medpatch_told"
"""Mark of an error that stands in the log."""
SAID = "_medpatch_said"
"""Mark of a line of the log with an error of ours, True where the command says that error at its end."""
_is_said_at_the_end: ContextVar[bool] = ContextVar("is_said_at_the_end", default=False)
EXPLAINED = "_medpatch_explained"
"""Mark of an error whose step is named: what goes on around that step does not claim it."""
FULL = (errno.ENOSPC, errno.EDQUOT)
KNOWN: tuple[tuple[tuple[str, ...], type[MedPatchError], str], ...] = (
    (
        ("No space left on device", "Disk quota exceeded", "database or disk is full"),
        ResourceError,
        "the disk is full; free some (`medpatch gc` lists work folders that nothing needs) and run again",
    ),
    (
        ("File too large",),
        ResourceError,
        "a file reached the largest size that this user or file system allows (`ulimit -f`); raise it and run again",
    ),
    (
        ("OutOfMemoryError", "CUDA out of memory", "MemoryError"),
        ResourceError,
        "out of memory; lower train.batch_size or modality.shard_stays, or use a larger machine",
    ),
    (
        ("of a newer MLflow",),
        ServiceError,
        "the MLflow store was made by a newer version of MLflow; install that version, or use another store",
    ),
    (
        ("out-of-date database schema",),
        ServiceError,
        "the MLflow store was made by an older version; back it up, then `mlflow db upgrade URI` (docs/operations.md)",
    ),
    (
        ("Can't locate revision identified by",),
        ServiceError,
        "the store was made by a newer version of Prefect or MLflow; install that version, or use another work folder",
    ),
    (
        ("database is locked",),
        ServiceError,
        "another process keeps the MLflow store locked; let it end, or serve the store (`medpatch up`) and set "
        "MLFLOW_TRACKING_URI to the server",
    ),
)
"""Words in an error of a library -> our error and what to do. The library's own text may quote values: not shown."""


@contextmanager
def explained(step: str) -> Iterator[None]:
    """Errors of the block name the innermost step around them, and are shown in the run's page with what to do.

    Raises:
        MedPatchError: what the block raised on purpose, its message headed by the step; or what a known error
            of a library means. Other errors go on as they are.
    """
    try:
        yield
    except Exception as error:
        if getattr(error, EXPLAINED, False):
            raise
        known = error if isinstance(error, MedPatchError) else meaning(error, step)
        setattr(error if known is None else known, EXPLAINED, True)
        if known is None:
            _show(step, cause=f"unexpected {type(error).__name__}", remedy=f"The log has the traceback. {KEEPS}")
            raise
        _head(known, step)
        _show(step, cause=str(known), remedy=KEEPS)
        if known is error:
            raise
        raise known from error


@contextmanager
def named_loss() -> Iterator[None]:
    """Around a flow that a command calls, which itself says on the terminal what we raise on purpose.

    Raises:
        ServerLostError: the Prefect server stopped answering.
    """
    before = _is_said_at_the_end.set(True)
    try:
        yield
    except httpx.TransportError as error:
        raise ServerLostError(
            f"the Prefect server stopped answering ({type(error).__name__}); what was finished is kept: start the "
            "server again (`medpatch up`) or unset PREFECT_API_URL, and run the same command again"
        ) from error
    finally:
        _is_said_at_the_end.reset(before)


def meaning(error: BaseException, step: str) -> MedPatchError | None:
    """Our error for one of a library, or of the machine, that we know; None for others."""
    chain: BaseException | None = error
    while chain is not None:
        text = f"{type(chain).__name__}: {chain}"
        if is_of_newer_mlflow(text):
            text += " of a newer MLflow"
        for words, kind, remedy in KNOWN:
            is_full = kind is ResourceError and words == KNOWN[0][0] and getattr(chain, "errno", None) in FULL
            if is_full or any(word in text for word in words):
                return kind(f"{step}: {remedy}")
        chain = chain.__cause__ or chain.__context__
    return None


def _head(error: MedPatchError, step: str) -> None:
    message = str(error)
    if not message.startswith(f"{step}: "):
        error.args = (f"{step}: {message}", *error.args[1:])


def _show(step: str, *, cause: str, remedy: str) -> None:
    if FlowRunContext.get() is None:
        return
    try:
        cause = cause.removeprefix(f"{step}: ")
        text = f"**Step** {step}\n\n**Cause** {cause}\n\n**What to do** {remedy}\n"
        create_markdown_artifact(text, key=KEY, description=f"why {step} failed, and what to do")
    except Exception as error:  # the failure itself matters more than its picture
        logger.warning("the failure could not be shown in the run's page (%s)", type(error).__name__)


def shown_failure(text: str) -> tuple[str, str] | None:
    """Step and cause of an artifact `failure`; None for a text that is none."""
    found = re.match(r"\*\*Step\*\* (.+?)\n\n\*\*Cause\*\* (.+?)\n\n\*\*What to do\*\* ", text, re.DOTALL)
    return None if found is None else (found[1], found[2])


def hide_tracebacks() -> None:
    """An error stands once in the log of a run: see `told_once`."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(told_once)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(is_not_said_at_the_end)


def told_once(record: logging.LogRecord) -> bool:
    """False for an error that was logged before; one that we raised on purpose is shown by its message alone.

    Prefect logs an error and its traceback for the task and for the flow, and quotes it in the lines that say how
    both ended.
    """
    if record.getMessage().startswith(FAILED):  # an error of a task, and information of a flow
        record.msg, record.args = FAILED, ()
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return True
    if getattr(error, TOLD, False):
        return False
    setattr(error, TOLD, True)
    if isinstance(error, MedPatchError):
        record.exc_info = None
        setattr(record, SAID, _is_said_at_the_end.get())
    return True


def is_not_said_at_the_end(record: logging.LogRecord) -> bool:
    """False for an error by which a command ends, with its message: the log of the run has it, the terminal once."""
    return not getattr(record, SAID, False)
