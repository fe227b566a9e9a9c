"""Reports show counts and reasons, never a row, and need no network."""

import json
import re
from pathlib import Path

import pytest

from medpatch.validate.report import to_json, to_markdown, write_validation_report
from medpatch.validate.result import GateResult, Outcome


def outcome(name: str, *, severity: str = "critical", is_met: bool = True, bad: int | None = 0) -> Outcome:
    return Outcome(
        name=name,
        rule="expect_column_values_to_be_between",
        columns=("age_years",),
        why="Children & others <18 are not in the study.",
        source="a guideline",
        severity=severity,
        is_met=is_met,
        checked_count=40,
        bad_count=bad,
        first_bad="" if is_met else "stay_id 30000017",
    )


@pytest.fixture
def results() -> list[GateResult]:
    outcomes = (
        outcome("held"),
        outcome("odd", severity="warning", is_met=False, bad=1),
        outcome("broken", is_met=False, bad=3),
    )
    return [GateResult("stay", "stay.parquet", "Every stay.", "look there", 40, 0.5, outcomes)]


def test_json_holds_counts_and_reasons(results: list[GateResult]) -> None:
    report = json.loads(json.dumps(to_json(results)))
    assert report["is_passed"] is False
    broken = report["suites"][0]["expectations"][2]
    assert (broken["name"], broken["bad_count"], broken["checked_count"]) == ("broken", 3, 40)
    assert broken["why"].startswith("Children")


def test_warnings_alone_do_not_fail_a_report(results: list[GateResult]) -> None:
    warned = GateResult("stay", "stay.parquet", "", "", 40, 0.5, results[0].outcomes[:2])
    assert to_json([warned])["is_passed"] is True


def test_markdown_lists_suites_and_then_what_did_not_hold(results: list[GateResult]) -> None:
    lines = to_markdown(results).splitlines()
    assert lines[2] == "| stay | stay.parquet | 40 | 3 | 1 | 1 | 0.50 |"
    assert lines[6].startswith("| stay.parquet | odd | warning | 1 of 40 |")
    assert lines[7].startswith("| stay.parquet | broken | critical | 3 of 40 |")


def test_markdown_of_a_clean_run_has_no_second_table(results: list[GateResult]) -> None:
    clean = GateResult("stay", "stay.parquet", "", "", 40, 0.5, results[0].outcomes[:1])
    assert len(to_markdown([clean]).splitlines()) == 3


def test_no_report_names_a_row(results: list[GateResult], tmp_path: Path) -> None:
    page = write_validation_report(results, tmp_path / "gate.html").read_text()
    for text in (page, to_markdown(results), json.dumps(to_json(results))):
        assert "30000017" not in text


def test_the_page_loads_nothing_from_elsewhere(results: list[GateResult], tmp_path: Path) -> None:
    page = write_validation_report(results, tmp_path / "deep" / "gate.html").read_text()
    assert not re.search(r"<script|<link|src=|href=|@import|url\(", page)


def test_the_page_escapes_text_and_leaves_no_temporary_file(results: list[GateResult], tmp_path: Path) -> None:
    file = write_validation_report(results, tmp_path / "gate.html")
    assert "Children &amp; others &lt;18" in file.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["gate.html"]
