"""Failures name the step and what to do, and quote nothing that a library said."""

import errno
import logging
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from flows.failure import explained, is_not_said_at_the_end, meaning, named_loss, told_once
from flows.leaderboard import lead_locally
from flows.search_local import search_locally
from medpatch.config.error import (
    ConfigError,
    ContractError,
    MedPatchError,
    ResourceError,
    ServerLostError,
    ServiceError,
)
from medpatch.config.path import PathConfig
from medpatch.config.search import SearchPart
from medpatch.validate.gate import GateError


def _raise_in(step: str, error: Exception) -> MedPatchError:
    with pytest.raises(MedPatchError) as caught, explained(step):
        raise error
    return caught.value


def test_our_own_error_is_headed_by_its_step_once() -> None:
    error = _raise_in("align", ContractError("stay_index: 3 rows"))
    assert str(error) == "align: stay_index: 3 rows"
    assert str(_raise_in("align", error)) == "align: stay_index: 3 rows"


@pytest.mark.parametrize("error", [ContractError("3 rows"), RuntimeError("database is locked")], ids=["ours", "known"])
def test_what_is_around_the_step_of_an_error_does_not_claim_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr("flows.failure._show", lambda step, **_: shown.append(step))
    with pytest.raises(MedPatchError, match="^report: ") as caught, explained("mlflow"), explained("report"):
        raise error
    assert shown == ["report"]
    assert "mlflow: " not in str(caught.value)


def test_a_gate_keeps_its_results() -> None:
    assert _raise_in("gate-tables", GateError("failed", ["result"])).results == ("result",)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ResourceError, "medpatch gc"),
        (RuntimeError("IO Error: could not write: No space left on device, value 36.6"), ResourceError, "disk is full"),
        (MemoryError(), ResourceError, "train.batch_size"),
        (RuntimeError("(sqlite3.OperationalError) database is locked"), ServiceError, "MLFLOW_TRACKING_URI"),
        (
            RuntimeError("Detected out-of-date database schema (found a)"),
            ServiceError,
            "db upgrade",
        ),
        (RuntimeError("Can't locate revision identified by 'abc'"), ServiceError, "newer version"),
    ],
    ids=["full", "full in a library", "memory", "locked", "older schema", "newer schema"],
)
def test_a_known_error_of_a_library_says_what_to_do(error: Exception, kind: type, words: str) -> None:
    found = meaning(error, "write-shards")
    assert type(found) is kind
    assert str(found).startswith("write-shards: ")
    assert words in str(found)
    assert "36.6" not in str(found)


def test_a_cause_is_looked_at_too() -> None:
    outer = RuntimeError("could not finish")
    outer.__cause__ = OSError(errno.EDQUOT, "quota")
    assert isinstance(meaning(outer, "x"), ResourceError)


def test_an_unknown_error_goes_on_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), explained("align"):
        _ = 1 / 0


def _record(message: str, error: Exception | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, None)
    return logging.LogRecord("prefect.flow_runs", logging.ERROR, "", 0, message, None, info)


def test_traceback_is_left_out_for_our_own_errors_only() -> None:
    for error, has_traceback in ((ConfigError("x"), False), (RuntimeError("x"), True)):
        record = _record("failed", error)
        assert told_once(record)
        assert (record.exc_info is not None) is has_traceback


def test_an_error_of_a_task_is_not_told_again_for_the_flow() -> None:
    error = ContractError("stay_index: 3 rows")
    seen = [told_once(_record(f"Encountered exception: {error!r}", error)) for _ in range(3)]
    assert seen == [True, False, False]
    assert told_once(_record("Encountered exception", ContractError("stay_index: 3 rows")))  # another one


@pytest.mark.parametrize("level", [logging.ERROR, logging.INFO], ids=["of a task", "of a flow"])
def test_how_a_run_ended_does_not_quote_the_error(level: int) -> None:
    record = _record("Finished in state Failed('Flow run encountered an exception: ContractError: 3 rows')")
    record.levelno = level
    assert told_once(record)
    assert record.getMessage() == "Finished in state Failed"


def test_a_command_says_its_error_at_its_end_and_nowhere_else_on_the_terminal() -> None:
    ours, other, of_a_worker = (_record("failed", kind("x")) for kind in (ContractError, RuntimeError, ContractError))
    with named_loss():
        assert told_once(ours)  # and so the log of the run has it
        assert told_once(other)
    assert told_once(of_a_worker)
    assert [is_not_said_at_the_end(record) for record in (ours, other, of_a_worker)] == [False, True, True]


def test_a_board_or_search_whose_server_is_lost_ends_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def lose(*_: object, **__: object) -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr("flows.leaderboard.leaderboard", lose)
    monkeypatch.setattr("flows.search_local.search_flow", lose)
    paths = PathConfig.from_environment(work_dir=tmp_path)
    board = SimpleNamespace(first=SimpleNamespace(paths=paths))
    with pytest.raises(ServerLostError, match="run the same command again"):
        lead_locally(board, "tiny_phenotyping", overrides={}, chosen={})
    with pytest.raises(ServerLostError, match="run the same command again"):
        search_locally("tiny_phenotyping", SearchPart.ALL, paths=paths, overrides={}, ways={})
