"""A gate's outcome is kept, whichever it is."""

import json
from pathlib import Path

import pandas as pd
import pytest

from flows.gate import publish_gate
from flows.progress import Advance
from medpatch.contract.artifact import is_current
from medpatch.validate.gate import GateError, GateResult, run_gate

SPLIT = "subject_split"


def _judge(split: str) -> list[GateResult]:
    rows = pd.DataFrame(
        {"subject_id": [1, 2, 3], "split": ["train", "val", split], "is_val": [0, 1, 0], "is_test": [0, 0, 1]}
    )
    return [run_gate(SPLIT, rows, parameters=PARAMETERS, artifact="subject_split.parquet")]


PARAMETERS = {"test_share_low": 0.0, "test_share_high": 1.0, "val_share_low": 0.0, "val_share_high": 1.0}


def test_failed_gate_raises_and_keeps_every_outcome(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="subject_split"):
        publish_gate(tmp_path / "gate", judge=lambda _: _judge("tset"), inputs="a", key="gate")
    assert not (tmp_path / "gate").exists()
    assert json.loads((tmp_path / "gate_failed" / "gate.json").read_text())
    assert "tset" not in (tmp_path / "gate_failed" / "gate.html").read_text()


def test_gate_that_passes_again_is_no_longer_listed_as_failed(tmp_path: Path) -> None:
    target = tmp_path / "gate" / "split"
    with pytest.raises(GateError, match="subject_split"):
        publish_gate(target, judge=lambda _: _judge("tset"), inputs="a", key="gate")
    publish_gate(target, judge=lambda _: _judge("test"), inputs="b", key="gate")
    assert not (target.parent / "split_failed").exists()


def test_passed_gate_is_not_judged_twice(tmp_path: Path) -> None:
    calls: list[int] = []

    def judge(advance: Advance) -> list[GateResult]:
        advance(1, 1)
        calls.append(1)
        return _judge("test")

    for _ in range(2):
        publish_gate(tmp_path / "gate", judge=judge, inputs="a", key="gate")
    assert calls == [1]
    assert is_current(tmp_path / "gate", inputs="a", packages=("validate", "expectations"))
