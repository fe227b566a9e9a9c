"""Progress of long work: a bar where someone watches a terminal, a log line where nobody does."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

logger = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 10.0


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A callable `(done, total)` that moves a bar on stderr, or logs every ten seconds without a terminal."""
    if not sys.stderr.isatty():
        yield _logging_progress(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _logging_progress(title: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS:
            last = now
            logger.info("%s: %d of %d", title, done, total)

    return advance
