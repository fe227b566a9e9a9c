"""Across the tables of one report: what one hides, no other tells."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from medpatch.config.name import Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.census import census
from medpatch.evaluate.cohort_count import read_cohort
from medpatch.evaluate.figure_cohort import AttritionStep
from medpatch.evaluate.prediction import read_predictions
from medpatch.evaluate.report import EvaluateReport, evaluate_run
from medpatch.evaluate.section_cohort import account_table
from medpatch.evaluate.stay import read_facts
from medpatch.evaluate.suppress import Ledger, Why, protect

from .made_up import MODALITIES, made_up_rows, write_manifest, write_rows, write_stays
from .test_suppress import determined

STEPS = (AttritionStep("every ICU stay", 252, 0, 230), AttritionStep("adult", 240, 12, 220))


def counted(folder: Path, config: PipelineConfig, *, task: Task, seed: int = 0, account: tuple = ()) -> Ledger:
    """Everything that a report on made-up stays with a unit of two counts."""
    rows = made_up_rows(task, seed=seed)
    if task is Task.IN_HOSPITAL_MORTALITY:  # twelve positives: many groups have few
        rows["label"] = ((rows["stay_id"] % 10) == seed % 10).astype(np.int8)
    write_stays(rows, folder / "mart")
    prediction = read_predictions(write_rows(rows, folder / "p"), Split.TEST, label_names=config.labels)
    facts = read_facts(
        prediction.stay_id,
        MODALITIES,
        tensor_dir=write_manifest(rows, folder / "tensor"),
        warehouse_dir=folder / "mart",
        age_edges_years=config.evaluate.age_edges_years,
    )
    cohort = read_cohort(folder / "mart", config)
    return census(prediction, facts, cohort=cohort, steps=STEPS, account=account, smallest=10)


@pytest.mark.parametrize("task", list(Task))
def test_no_small_count_of_a_whole_report_can_be_solved_for(
    tmp_path: Path, mortality: PipelineConfig, phenotyping: PipelineConfig, task: Task
) -> None:
    config = phenotyping if task is Task.PHENOTYPING else mortality
    ledger = counted(tmp_path, config, task=task)
    found = protect(ledger)
    small = {key for key, value in ledger.value.items() if 0 < value < 10}
    assert len(small) > 5
    assert not small & determined(ledger, found)
    assert all(found.hidden[key] is Why.SMALL for key in small & ledger.shown)


def test_unit_of_two_hides_the_other_unit_in_every_table(tmp_path: Path, mortality: PipelineConfig) -> None:
    ledger = counted(tmp_path, mortality, task=Task.IN_HOSPITAL_MORTALITY)
    found = protect(ledger)
    tiny, large = "First care unit: Tiny Unit", "First care unit: Medical Intensive Care Unit (MICU)"
    for column in ("judged", "test"):
        assert found.words(("stays", column, tiny)) == "< 10"
        assert found.words(("stays", column, large)) == "hidden"
        assert found.words(("stays", column, "all")) == "120"


def test_few_positives_of_a_combination_hide_those_of_the_modality_that_completes_it(
    tmp_path: Path, mortality: PipelineConfig
) -> None:
    ledger = counted(tmp_path, mortality, task=Task.IN_HOSPITAL_MORTALITY)
    found = protect(ledger)
    sums = [e for e in ledger.sums if ("positives", "judged", "Has EHR") in e]
    assert any(any(k[2].startswith("Modalities: ") for k in e if k[0] == "positives") for e in sums)
    for entry in sums:
        unseen = [k for k in entry if ledger.value[k] and (k in found.hidden or k not in ledger.shown)]
        assert len(unseen) != 1 or ledger.value[unseen[0]] >= 10


def test_stays_lost_at_a_step_stay_hidden_in_the_row_account(tmp_path: Path, mortality: PipelineConfig) -> None:
    account = (
        {"source": "icustays", "rule": "read", "rows_in": 252, "rows_kept": 244},
        {"source": "icustays", "rule": "cohort stay", "rows_in": 244, "rows_kept": 240},
        {"source": "labevents", "rule": "read", "rows_in": 9, "rows_kept": 8},
    )
    ledger = counted(tmp_path, mortality, task=Task.IN_HOSPITAL_MORTALITY, account=account)
    rows = account_table(account, mortality, shown=protect(ledger)).rows
    # 8 and then 4 stays go: the number between them is hidden, 252 and 240 are those of the flow chart
    assert [row[2:] for row in rows] == [("252", "hidden"), ("hidden", "240"), ("9", "8")]


def test_tables_of_the_report_add_up_to_no_small_count(report: EvaluateReport) -> None:
    """Every group column of every table: a single hidden entry beside a shown total would be a difference."""
    with (report.directory / "table" / "table_one.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    for variable in ("Sex: ", "Race group: ", "First care unit: "):
        for column in range(1, 5):
            cells = [row[column] for row in rows if row[0].startswith(variable)]
            assert sum(not cell[0].isdigit() for cell in cells) != 1, (variable, column)


def test_hidden_count_is_in_no_file(report: EvaluateReport) -> None:
    content = json.loads((report.directory / "metrics.json").read_text())
    groups = {g["group"]: g for g in content["analyses"]["subgroups"]}
    assert groups["Tiny Unit"]["stays"] is None
    large = groups["Medical Intensive Care Unit (MICU)"]
    assert large["stays"] is large["results"][0]["stays"] is large["results"][0]["subjects"] is None
    assert groups["Female"]["stays"] == groups["Female"]["results"][0]["stays"] == 60
    # positives of one label within a group are in no table, so nobody has judged whether they may be shown
    assert all(label["positives"] is None for label in groups["Female"]["results"][0]["labels"])
    shown = {key: value for key, value in report.shown.value.items() if key not in report.shown.hidden}
    for label in content["results"][0]["labels"]:
        assert label["positives"] == shown.get(("positives", "judged", f"Label: {label['name']}"))


def test_few_stays_of_the_test_split_are_hidden_in_the_line_below_every_picture(
    tmp_path: Path, mortality: PipelineConfig
) -> None:
    rows = made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=9, seed=4)
    rows["label"] = (rows["stay_id"] % 3 == 0).astype(np.int8)
    found = evaluate_run(write_rows(rows, tmp_path / "p"), tmp_path / "report", config=mortality, inputs="x")
    assert found.verdict.source.startswith("Test split: < 10 stays of < 10 patients.")
    # the points of a reliability curve add up to the positives
    assert not (found.directory / "figure" / "reliability.png").exists()


def test_numbers_of_stays_with_hidden_positives_have_the_digits_of_the_tables(
    tmp_path: Path, mortality: PipelineConfig
) -> None:
    """An AUROC of all its digits over N stays is a fraction whose denominator tells how many are positive."""
    rows = made_up_rows(Task.IN_HOSPITAL_MORTALITY)
    rows["label"] = (rows["stay_id"] % 10 == 0).astype(np.int8)
    write_stays(rows, tmp_path / "mart")
    ways = {"warehouse_dir": tmp_path / "mart", "tensor_dir": write_manifest(rows, tmp_path / "tensor")}
    found = evaluate_run(write_rows(rows, tmp_path / "p"), tmp_path / "report", config=mortality, inputs="x", **ways)
    content = json.loads((found.directory / "metrics.json").read_text())
    judged = [g["results"][0] for kind in ("subgroups", "combined") for g in content["analyses"][kind] if g["results"]]
    hidden = [r for r in judged if r["macro"]["positives"] is None]
    assert hidden
    told = [r["macro"]["auroc"][end] for r in hidden for end in ("value", "low", "high")]
    told += [label["auprc"]["value"] for r in hidden for label in r["labels"]]
    assert all(value is None or value == round(value, 3) for value in told)
    assert content["results"][0]["macro"]["positives"] == 12
    assert content["results"][0]["macro"]["auroc"]["value"] != round(
        content["results"][0]["macro"]["auroc"]["value"], 3
    )


def test_flat_numbers_and_rows_of_a_label_with_hidden_positives_have_three_digits(
    tmp_path: Path, phenotyping: PipelineConfig
) -> None:
    rows, rare = made_up_rows(Task.PHENOTYPING), phenotyping.labels[3]
    is_rare = rows["label_name"] == rare
    rows["label"][is_rare] = (rows["stay_id"][is_rare] % 30 == 0).astype(np.int8)
    found = evaluate_run(write_rows(rows, tmp_path / "p"), tmp_path / "report", config=phenotyping, inputs="x")
    flat = found.metrics()
    assert flat[f"test/auroc/{rare}"] == round(flat[f"test/auroc/{rare}"], 3)
    assert any(flat[f"test/auroc/{name}"] != round(flat[f"test/auroc/{name}"], 3) for name in phenotyping.labels)
    with (found.directory / "metrics.csv").open(encoding="utf-8", newline="") as file:
        mine = [r for r in csv.DictReader(file) if r["label"] == rare and r["metric"] == "auroc"]
    assert mine
    assert all(len(r["value"]) <= len("0.123") for r in mine)
