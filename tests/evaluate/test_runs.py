"""Several training seeds become one report; runs and arms that cannot share a table are refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest

from medpatch.config.arm import Arm
from medpatch.config.error import ContractError
from medpatch.config.name import Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.arm import arm_table
from medpatch.evaluate.metric import auroc
from medpatch.evaluate.prediction import SplitPrediction, read_predictions
from medpatch.evaluate.report_folder import EvaluateReport, Material, evaluate_runs

from .made_up import made_up_rows, write_rows

TASK = Task.IN_HOSPITAL_MORTALITY


def retrained(rows: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """The same stays and labels as another training seed would predict them."""
    noise = np.random.default_rng(seed).normal(size=len(rows["logit"])) * 0.3
    logit = rows["logit"] + noise
    return {**rows, "logit": logit, "probability": 1 / (1 + np.exp(-logit))}


def judge_all(runs: dict[str, dict], folder: Path, config: PipelineConfig, **material) -> EvaluateReport:
    paths = {name: write_rows(rows, folder / name) for name, rows in runs.items()}
    return evaluate_runs(
        paths, folder / "report", config=config, inputs="x", title="Board", material=Material(**material)
    )


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, mortality: PipelineConfig) -> EvaluateReport:
    folder, rows = tmp_path_factory.mktemp("board"), made_up_rows(TASK)
    every_digit = mortality.evaluate.model_copy(update={"min_count": 1})  # hides nothing
    config = mortality.model_copy(update={"evaluate": every_digit})
    arm = write_rows(retrained(rows, 9), folder / "arm")
    runs = {"seed 1": rows, "seed 2": retrained(rows, 2), "seed 3": retrained(rows, 3)}
    return judge_all(runs, folder, config, arms={Arm.WITHOUT_CXR_REPORTS: [arm] * 3})


def test_value_is_the_mean_over_the_seeds(board: EvaluateReport) -> None:
    for result in board.results:
        assert len(result.by_run) == 3
        assert result.macro.auroc.value == pytest.approx(np.mean(result.by_run))
    assert "Mean of 3 training seeds" in board.verdict.source


def test_value_of_each_seed_is_that_of_its_own_predictions(board: EvaluateReport, mortality: PipelineConfig) -> None:
    path = board.directory.parent / "seed 2" / "predictions.parquet"
    test = read_predictions(path, Split.TEST, label_names=mortality.labels)
    expected = auroc(test.models["late"].logit, test.label)[0]
    assert board.verdict.of("late").by_run[1] == pytest.approx(expected)


def test_board_shows_each_seed_the_comparison_and_the_arms(board: EvaluateReport) -> None:
    page = (board.directory / "report.md").read_text()
    assert "AUROC of each seed" in page
    assert "Without reports of chest radiographs" in page
    assert {p.stem for p in (board.directory / "table").glob("*.tex")} >= {"result", "comparison", "arms"}


def test_comparisons_of_the_board_are_for_machines_too(board: EvaluateReport) -> None:
    content = json.loads((board.directory / "metrics.json").read_text())
    assert {c["model"] for c in content["comparisons"]} == {
        "late", "early", "unimodal_ehr", "unimodal_cxr", "unimodal_rr",
    }  # fmt: skip
    assert content["runs"] == 3


def test_runs_on_other_stays_are_refused_by_name(tmp_path: Path, mortality: PipelineConfig) -> None:
    runs = {"seed 1": made_up_rows(TASK, stays=30), "seed 2": made_up_rows(TASK, stays=31)}
    with pytest.raises(ContractError, match="seed 2: its val split has 31 stays and other stays"):
        judge_all(runs, tmp_path, mortality)
    assert not (tmp_path / "report").exists()


def test_runs_with_other_models_are_refused_by_name(tmp_path: Path, mortality: PipelineConfig) -> None:
    rows = made_up_rows(TASK, stays=30)
    kept = rows["model"] != "early"
    with pytest.raises(ContractError, match=r"seed 2: its models differ from those of seed 1 by \['early'\]"):
        judge_all({"seed 1": rows, "seed 2": {n: c[kept] for n, c in rows.items()}}, tmp_path, mortality)


def test_arm_on_other_stays_is_refused_by_name(tmp_path: Path, mortality: PipelineConfig) -> None:
    whole, arm = (
        read_predictions(write_rows(made_up_rows(TASK, stays=n), tmp_path / str(n)), Split.TEST,
                         label_names=mortality.labels)
        for n in (30, 31)
    )  # fmt: skip
    with pytest.raises(ContractError, match="arm without_dn: its test split has 31 stays"):
        arm_table((whole,), {Arm.WITHOUT_DN: (arm,)}, config=mortality.evaluate)


def test_arm_that_predicts_the_same_shows_no_difference(tmp_path: Path, mortality: PipelineConfig) -> None:
    path = write_rows(made_up_rows(TASK, stays=60), tmp_path)
    run: SplitPrediction = read_predictions(path, Split.TEST, label_names=mortality.labels)
    table = arm_table((run,), {Arm.WITHOUT_DN: (run,)}, config=mortality.evaluate)
    assert [row[0] for row in table.rows] == ["As configured", "Without discharge notes"]
    assert table.rows[1][4:] == ("0.000 [0.000, 0.000]", "1.000")


def test_trainings_that_report_different_heads_are_said_to(tmp_path: Path, mortality: PipelineConfig) -> None:
    rows = made_up_rows(TASK, stays=30)
    paths = {f"seed {n}": write_rows(rows, tmp_path / str(n)) for n in range(3)}
    (tmp_path / "1" / "head.json").write_text(json.dumps({"head": "high", "chosen_by": "validation"}))
    found = evaluate_runs(paths, tmp_path / "report", config=mortality, inputs="x", title="Board", material=Material())
    assert found.verdict.head == (
        "weighted sum of all heads (late), chosen by configuration in 2 of 3 trainings; "
        "joint head on high-confidence tokens (high), chosen by validation in 1 of 3 trainings"
    )
