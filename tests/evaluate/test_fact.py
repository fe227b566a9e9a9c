"""Every look at the test split is written down and counted over all configurations of the data."""

from pathlib import Path

import pytest

from medpatch.config.error import ContractError
from medpatch.evaluate.fact import read_ledger, record_read


def test_looks_are_kept_in_order_across_runs(tmp_path: Path) -> None:
    ledger = tmp_path / "test_reads" / "data-aaa.jsonl"
    record_read(ledger, step="predict", run="aaa", stays=7)
    reads = record_read(ledger, step="report", run="bbb", stays=7)
    assert [(r.step, r.run, r.stays) for r in reads] == [("predict", "aaa", 7), ("report", "bbb", 7)]
    assert read_ledger(ledger) == reads


def test_data_that_nobody_looked_at_has_no_reads(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "data-aaa.jsonl") == ()


def test_broken_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data-aaa.jsonl").write_text('{"time": "now"}\n')
    with pytest.raises(ContractError, match="is not a test read"):
        read_ledger(tmp_path / "data-aaa.jsonl")
