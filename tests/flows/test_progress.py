"""Long work says how far it is, also where nobody watches a terminal."""

import logging
import sys
from collections.abc import Iterator

import pytest

from flows import progress
from flows.progress import progress_bar


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What reaches the handlers of the root logger, which Prefect leaves at WARNING."""
    lines: list[str] = []
    root, handler = logging.getLogger(), logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    level = root.level
    root.setLevel(logging.WARNING)
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)


def test_progress_is_logged_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, heard: list[str]) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with progress_bar("training ehr") as advance:
        advance(1, 15)
        advance(2, 15)
    assert heard == ["training ehr: 1 of 15", "training ehr: 2 of 15"]


def test_progress_is_not_logged_more_often_than_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with progress_bar("training ehr") as advance:
        for done in range(100):
            advance(done, 100)
    assert heard == []
