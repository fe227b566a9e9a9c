"""Tables that the paper takes over: every number with its interval, every label and group in its row."""

import csv

from medpatch.evaluate.report import EvaluateReport
from medpatch.evaluate.table import interval


def rows_of(report: EvaluateReport, name: str) -> list[dict[str, str]]:
    """The table as a reader of the CSV sees it."""
    with (report.directory / "table" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_calibration_of_every_model_has_intervals(report: EvaluateReport) -> None:
    rows = rows_of(report, "calibration")
    assert len(rows) == len(report.results)
    for row, result in zip(rows, report.results, strict=True):
        score = result.macro
        assert row["Slope [95% CI]"] == interval(score.slope, digits=2)
        assert row["Intercept [95% CI]"] == interval(score.intercept, digits=2, plus=True)
        assert row["ECE [95% CI]"] == interval(score.ece)
        assert score.slope.low < score.slope.value < score.slope.high


def test_calibration_of_every_judged_group_has_intervals(report: EvaluateReport) -> None:
    rows = rows_of(report, "subgroups")
    assert {row["Variable"] for row in rows} == {"Sex", "Age", "Race group", "First care unit"}
    judged = [row for row in rows if row["AUROC [95% CI]"] != "–"]
    assert judged
    for row in judged:
        assert all("[" in row[f"{name} [95% CI]"] for name in ("AUROC", "AUPRC", "ECE", "Slope", "Intercept"))


def test_every_label_has_its_row_and_its_kind(report: EvaluateReport) -> None:
    rows = rows_of(report, "labels")
    assert len(rows) == 25
    for row, score in zip(rows, report.verdict.main.labels, strict=True):
        assert (row["Label"], row["Kind"]) == (score.name, score.group)
        assert row["AUROC [95% CI]"] == interval(score.auroc)


def test_groups_of_labels_have_intervals_for_every_model(report: EvaluateReport) -> None:
    rows = rows_of(report, "groups")
    for row, result in zip(rows, report.results, strict=True):
        found = [row[f"{kind} AUROC [95% CI]"] for kind in ("Acute", "Mixed", "Chronic")]
        assert found == [interval(score.auroc) for score in result.groups]
