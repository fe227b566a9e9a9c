"""One page leads to every gate of a work folder, and needs no network."""

import json
import re
from pathlib import Path

import pytest

from medpatch.validate.index import find_gates, write_index


def _gate(folder: Path, *severities: str) -> None:
    folder.mkdir(parents=True)
    expectations = [{"is_met": False, "severity": s} for s in severities] + [{"is_met": True, "severity": "critical"}]
    (folder / "gate.json").write_text(json.dumps({"suites": [{"expectations": expectations}]}))
    (folder / "gate.html").write_text("page")


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    _gate(tmp_path / "data-1" / "1_warehouse_gate", "warning")
    _gate(tmp_path / "data-1" / "2_tensor_gate")
    _gate(tmp_path / "run-1" / "4_prediction_gate_failed", "critical", "warning")
    return tmp_path


def test_every_gate_is_counted_by_severity(work_dir: Path) -> None:
    found = {entry.name: (entry.expectations, entry.failed, entry.warned) for entry in find_gates(work_dir)}
    assert found == {
        "data-1/1_warehouse_gate": (2, 0, 1),
        "data-1/2_tensor_gate": (1, 0, 0),
        "run-1/4_prediction_gate_failed": (3, 1, 1),
    }


def test_links_lead_to_the_pages_and_nowhere_else(work_dir: Path) -> None:
    page = write_index(work_dir)
    links = re.findall(r'href="([^"]+)"', page.read_text())
    assert len(links) == 3
    assert all((page.parent / link).resolve().read_text() == "page" for link in links)
    assert "http" not in page.read_text()


def test_a_gate_that_is_not_readable_or_not_finished_is_left_out(work_dir: Path) -> None:
    _gate(work_dir / ".run-2.tmp" / "4_prediction_gate")
    (work_dir / "data-1" / "2_tensor_gate" / "gate.json").write_text("{")
    assert len(find_gates(work_dir)) == 2


def test_a_folder_without_gates_has_an_empty_page(tmp_path: Path) -> None:
    assert "0 gates" in write_index(tmp_path).read_text()
