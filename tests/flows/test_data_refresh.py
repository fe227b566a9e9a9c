"""What a scheduled refresh takes for unchanged."""

import json
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from flows.refresh import HISTORY, last_fingerprint, read_fingerprint
from medpatch.contract.artifact import writing
from medpatch.contract.table import warehouse_file


def _record(preset: str, fingerprint: str) -> str:
    return json.dumps({"preset": preset, "fingerprint": fingerprint})


def test_last_record_of_the_preset_counts(tmp_path: Path) -> None:
    lines = [_record("a", "old"), _record("a", "new"), _record("b", "other")]
    (tmp_path / HISTORY).write_text("\n".join(lines) + "\n")
    assert last_fingerprint.fn(tmp_path, "a") == "new"


def test_line_torn_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / HISTORY).write_text(_record("a", "good") + "\n" + _record("a", "torn")[:20])
    assert last_fingerprint.fn(tmp_path, "a") == "good"


def test_no_history_is_no_fingerprint(tmp_path: Path) -> None:
    assert last_fingerprint.fn(tmp_path, "a") is None


@pytest.fixture
def run(tmp_path: Path) -> SimpleNamespace:
    """As much of a RunContext as a refresh looks at: one chosen image, raw tables that never change."""
    warehouse, images = tmp_path / "warehouse", tmp_path / "cxr"
    images.mkdir()
    (images / "one.jpg").write_bytes(b"first")
    with writing(warehouse, inputs="a") as aside:
        pl.DataFrame({"image_path": ["one.jpg"]}).write_parquet(aside / warehouse_file("cxr_study"))
    return SimpleNamespace(
        warehouse_dir=warehouse, raw_fingerprint="raw", source=SimpleNamespace(cxr_dir=images), run_dir=Path("run-1")
    )


def test_replaced_image_is_a_change(run: SimpleNamespace) -> None:
    before = read_fingerprint(run)
    (run.source.cxr_dir / "one.jpg").write_bytes(b"another")
    assert before is not None
    assert read_fingerprint(run) != before


def test_same_files_are_no_change(run: SimpleNamespace) -> None:
    assert read_fingerprint(run) == read_fingerprint(run)


def test_nothing_extracted_yet_is_no_fingerprint(run: SimpleNamespace, tmp_path: Path) -> None:
    run.warehouse_dir = tmp_path / "absent"
    assert read_fingerprint(run) is None
