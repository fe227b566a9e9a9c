"""Progress of long work: a bar where someone watches a terminal, a log line and a Prefect artifact elsewhere."""

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

logger = logging.getLogger(__name__)
logger.setLevel(
    logging.INFO
)  # Prefect gives our loggers its handlers and leaves them the root's level, which is WARNING

LOG_EVERY_SECONDS = 10.0
SHOW_AFTER_SECONDS = 3.0
SHOW_EVERY_SECONDS = 3.0

Advance = Callable[[int, int], None]


@contextmanager
def progress_bar(title: str) -> Iterator[Advance]:
    """A callable `(done, total)` that moves a bar on stderr, or logs every ten seconds without a terminal.

    Inside a flow it also moves a progress artifact in the run's page, if the work lasts longer than three seconds.
    """
    shown = _Artifact(title)
    if not sys.stderr.isatty():
        with shown.closing():
            yield _both(_logging_progress(title), shown.advance)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar, shown.closing():
        task = bar.add_task(title, total=None)
        yield _both(lambda done, total: bar.update(task, completed=done, total=total), shown.advance)


class _Artifact:
    """The progress artifact of one piece of work; made when it turns out to be long."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.id: UUID | None = None
        self.is_wanted = FlowRunContext.get() is not None
        self.last = time.monotonic() + SHOW_AFTER_SECONDS - SHOW_EVERY_SECONDS

    def advance(self, done: int, total: int) -> None:
        """Show how far it is, at most every three seconds."""
        now = time.monotonic()
        if self.is_wanted and total and now - self.last >= SHOW_EVERY_SECONDS:
            self.last = now
            self._show(min(100.0, 100.0 * done / total), f"{self.title}: {done:,} of {total:,}")

    @contextmanager
    def closing(self) -> Iterator[None]:
        """At the end of the block it stands at 100, or where an error left it."""
        yield
        if self.id is not None:
            self._show(100.0, f"{self.title}: done")

    def _show(self, percent: float, text: str) -> None:
        try:
            if self.id is None:
                key = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")
                self.id = create_progress_artifact(percent, key=key, description=text)
            else:
                update_progress_artifact(self.id, percent, description=text)
        except Exception as error:  # work of hours must not end because a picture of it could not be drawn
            logger.warning("%s: progress is no longer shown in the run's page (%s)", self.title, type(error).__name__)
            self.is_wanted, self.id = False, None


def _both(first: Advance, second: Advance) -> Advance:
    def advance(done: int, total: int) -> None:
        first(done, total)
        second(done, total)

    return advance


def _logging_progress(title: str) -> Advance:
    last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS:
            last = now
            logger.info("%s: %d of %d", title, done, total)

    return advance
