"""Scores of so few stays that their number is hidden have two digits, wherever they are written."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from medpatch.config.name import Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.report import EvaluateReport, evaluate_run

from .made_up import add_drops, made_up_rows, write_manifest, write_oracle, write_rows

TASK = Task.IN_HOSPITAL_MORTALITY


def few_rows(*, stays: int, events: int) -> dict[str, np.ndarray]:
    """Made-up rows in which the first stays of each split, and no others, have the event."""
    rows = add_drops(made_up_rows(TASK, stays=stays))
    rows["label"] = (rows["stay_id"] % 1_000_000 < events).astype(np.int8)
    return rows


def evaluated(rows: dict[str, np.ndarray], folder: Path, config: PipelineConfig) -> EvaluateReport:
    """A report with drop curves and an oracle."""
    return evaluate_run(
        write_rows(rows, folder / "p"),
        folder / "report",
        config=config,
        inputs="x",
        tensor_dir=write_manifest(rows, folder / "t"),
        oracle_dir=write_oracle(rows, folder / "o", task=TASK),
    )


def on_screen(report: EvaluateReport) -> str:
    """The result table as a wide screen shows it."""
    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        console.print(report.table)
    return captured.get()


def scores_in(value: object) -> list[float]:
    """Every value and end of an interval below."""
    if isinstance(value, dict):
        own = [value[key] for key in ("value", "low", "high", "oracle_auroc") if isinstance(value.get(key), float)]
        return own + [score for below in value.values() for score in scores_in(below)]
    return [score for below in value for score in scores_in(below)] if isinstance(value, list) else []


def test_few_events_leave_two_digits_in_every_file_and_on_the_screen(tmp_path: Path, mortality: PipelineConfig) -> None:
    report = evaluated(few_rows(stays=60, events=6), tmp_path, mortality)
    found = json.loads((report.directory / "metrics.json").read_text())
    scores = scores_in([found[part] for part in ("results", "comparisons", "own_stays", "analyses")])
    assert len(scores) > 100
    assert all(round(score, 2) == score for score in scores)
    assert all(round(v, 2) == v for name, v in report.metrics().items() if "auroc" in name or "auprc" in name)
    with (report.directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(round(float(row[end]), 2) == float(row[end]) for row in rows for end in ("value", "low", "high"))
    tables = [(report.directory / "table" / f"{name}.csv").read_text() for name in ("result", "drop", "calibration")]
    for text in (*tables, on_screen(report)):
        assert re.search(r"\d\.\d\d\b", text)
        assert not re.search(r"\d\.\d{3}", text)
    assert "AUROC 0." in (report.directory / "report.md").read_text()
    assert not re.search(r"AUROC 0\.\d{3}", (report.directory / "report.md").read_text())


def test_many_events_keep_three_digits(tmp_path: Path, mortality: PipelineConfig) -> None:
    report = evaluated(few_rows(stays=60, events=25), tmp_path, mortality)
    assert re.search(r"MedPatch \s*\d\.\d{3} ", on_screen(report))
    found = json.loads((report.directory / "metrics.json").read_text())
    assert any(round(score, 3) != score for score in scores_in(found["results"]))


@pytest.mark.parametrize("events", [6, 25])
def test_screen_shows_the_share_with_input_as_the_page_does(
    tmp_path: Path, mortality: PipelineConfig, events: int
) -> None:
    report = evaluated(few_rows(stays=60, events=events), tmp_path, mortality)
    with (report.directory / "table" / "result.csv").open(newline="") as file:
        shares = [row["With input"] for row in csv.DictReader(file)]
    place = report.table.columns.index("With input")
    assert [line.numbers[place] for line in report.table.lines] == shares
