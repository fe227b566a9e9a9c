"""Failures name the step and what to do, and quote nothing that a library said."""

import errno

import pytest

from flows.failure import explained, meaning
from medpatch.config.error import ContractError, MedPatchError, ResourceError, ServiceError
from medpatch.validate.gate import GateError


def _raise_in(step: str, error: Exception) -> MedPatchError:
    with pytest.raises(MedPatchError) as caught, explained(step):
        raise error
    return caught.value


def test_our_own_error_is_headed_by_its_step_once() -> None:
    error = _raise_in("align", ContractError("stay_index: 3 rows"))
    assert str(error) == "align: stay_index: 3 rows"
    assert str(_raise_in("align", error)) == "align: stay_index: 3 rows"


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
