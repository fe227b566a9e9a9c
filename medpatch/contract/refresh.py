"""Steps that are done again although what they left is current."""

from collections.abc import Collection
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path

from medpatch.config.code import (
    EXTRACT_CODE,
    FEATURE_CODE,
    GATE_CODE,
    PREDICTION_CODE,
    REPORT_CODE,
    STAGE_CODE,
    TENSOR_CODE,
)


class Step(StrEnum):
    """What `--refresh` can name, in the order of the pipeline."""

    EXTRACT = "extract"
    ALIGN = "align"
    TRAIN = "train"
    EVALUATE = "evaluate"


CODE = {
    Step.EXTRACT: (EXTRACT_CODE, GATE_CODE),
    Step.ALIGN: (TENSOR_CODE, GATE_CODE),
    Step.TRAIN: (FEATURE_CODE, STAGE_CODE),
    Step.EVALUATE: (PREDICTION_CODE, REPORT_CODE, GATE_CODE),
}
"""Which folders a step writes, told by the code that they depend on."""

_stale: ContextVar[frozenset[tuple[str, ...]]] = ContextVar("stale", default=frozenset())
_renewed: ContextVar[set[Path] | None] = ContextVar("renewed", default=None)


def refresh_from(steps: Collection[Step]) -> None:
    """From here on in this flow, no folder of the earliest of these steps or of a later one counts as current.

    A folder that is written afterwards does again. Without steps everything is as usual.
    """
    order = list(Step)
    first = min((order.index(Step(step)) for step in steps), default=len(order))
    _stale.set(frozenset(code for step in order[first:] for code in CODE[step]))
    _renewed.set(set())


def is_refreshing() -> bool:
    """True if some step is to be done again."""
    return bool(_stale.get())


def stale_code() -> frozenset[tuple[str, ...]]:
    """What `refresh_from` asked for here, for a process that works for this one: see `refresh_code`."""
    return _stale.get()


def refresh_code(code: frozenset[tuple[str, ...]]) -> None:
    """`refresh_from` in a process that works for another one."""
    _stale.set(code)
    _renewed.set(set())


def must_be_redone(target: Path, packages: tuple[str, ...]) -> bool:
    """True if this folder belongs to a step that is to be done again and has not been written since."""
    return packages in _stale.get() and target not in (_renewed.get() or ())


def note_written(target: Path) -> None:
    """This folder is new: it counts as current again."""
    renewed = _renewed.get()
    if renewed is not None:
        renewed.add(target)
