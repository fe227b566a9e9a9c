"""Sentences of the report that must not mislead: what leaks, what was left out, which head is reported."""

from dataclasses import replace
from pathlib import Path

import pytest

from medpatch.config.error import ContractError
from medpatch.config.name import Modality, Profile, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import preset
from medpatch.evaluate.fact import Dropped
from medpatch.evaluate.figure_leaderboard import leaderboard_picture
from medpatch.evaluate.report import EvaluateReport, evaluate_run
from medpatch.evaluate.section_leak import leaks

from .conftest import FACTS
from .made_up import made_up_rows, write_marts, write_oracle, write_rows

TASK = Task.IN_HOSPITAL_MORTALITY


def said(config: PipelineConfig) -> str:
    return " ".join(leaks(config))


def test_published_phenotyping_names_late_reports_and_the_discharge_note() -> None:
    text = said(preset("phenotyping"))
    assert "also those written after the ICU stay" in text
    assert ("codes of the same admission" in text) == (Modality.DN in preset("phenotyping").modality.modalities)


def test_discharge_note_is_named_only_where_it_is_read() -> None:
    config = preset("phenotyping")
    with_note, without = (
        config.model_copy(update={"modality": config.modality.model_copy(update={"modalities": m})})
        for m in ((Modality.EHR, Modality.DN), (Modality.EHR,))
    )
    assert "discharge note is written after the stay" in said(with_note)
    assert "discharge note" not in said(without)


def test_published_mortality_names_reports_stored_after_the_window_and_corrected_has_none() -> None:
    config = preset("in_hospital_mortality")
    corrected = config.model_copy(update={"cohort": config.cohort.model_copy(update={"profile": Profile.CORRECTED})})
    assert "may have been stored, so readable, only after the window" in said(config)
    assert "written after the ICU stay" not in said(config)
    assert "may have been stored" not in said(corrected)


def test_page_and_markdown_name_what_the_inputs_give_away(report: EvaluateReport) -> None:
    for name in ("report.md", "index.html"):
        page = (report.directory / name).read_text()
        assert "What the inputs may give away" in page
        assert "a later report may name the condition" in page


def test_dropped_modality_is_said_with_its_reason_and_is_not_in_the_oracles_inputs(
    tmp_path: Path, mortality: PipelineConfig
) -> None:
    rows = made_up_rows(TASK)
    oracle_dir = write_oracle(rows, tmp_path / "oracle", task=TASK, sets=("ehr", "rr", "ehr+rr"))
    kept = {name: column[rows["model"] != "unimodal_cxr"] for name, column in rows.items()}
    facts = replace(FACTS, dropped=(Dropped(Modality.CXR, "3 train stays have it, at least 8 are needed"),))
    found = evaluate_run(
        write_rows(kept, tmp_path / "p"),
        tmp_path / "report",
        config=mortality,
        inputs="x",
        oracle_dir=oracle_dir,
        facts=facts,
    )
    page = (found.directory / "report.md").read_text()
    assert "Modalities: EHR, RR." in page
    assert "CXR is left out of every model: 3 train stays have it, at least 8 are needed." in page
    assert found.verdict.main.oracle_auroc is not None


@pytest.mark.parametrize("content", [None, "{", '{"head": "latest", "chosen_by": "x"}', "[]"])
def test_predictions_that_do_not_say_their_head_are_refused(
    tmp_path: Path, mortality: PipelineConfig, content: str | None
) -> None:
    path = write_rows(made_up_rows(TASK, stays=30), tmp_path / "p")
    head = tmp_path / "p" / "head.json"
    head.unlink() if content is None else head.write_text(content)
    with pytest.raises(ContractError, match="which head was predicted"):
        evaluate_run(path, tmp_path / "report", config=mortality, inputs="x")
    assert not (tmp_path / "report").exists()


def test_reported_output_is_not_called_like_the_rival_late(report: EvaluateReport) -> None:
    page = (report.directory / "report.md").read_text()
    assert "MedPatch's reported output: weighted sum of all heads (late), chosen by configuration" in page
    assert "Reported head: late" not in page
    assert "the high-confidence head reads only the sure ones" in page
    assert "a small test set can exceed it by chance" in page


def test_word_oracle_is_in_the_legend_and_not_over_a_row(report: EvaluateReport) -> None:
    axis = leaderboard_picture(report.results, level=0.95).figure.axes[0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["oracle"]
    assert not any("oracle" in text.get_text() for text in axis.texts)


def test_rows_lost_as_unreadable_are_explained(report: EvaluateReport, tmp_path: Path, mortality) -> None:
    assert "keeps its number in valuenum only" in (report.directory / "report.md").read_text()
    cohort = mortality.cohort.model_copy(update={"profile": Profile.CORRECTED})
    path = write_rows(made_up_rows(TASK, stays=30), tmp_path / "p")
    found = evaluate_run(
        path,
        tmp_path / "report",
        config=mortality.model_copy(update={"cohort": cohort}),
        inputs="x",
        warehouse_dir=write_marts(tmp_path / "mart"),
    )
    assert "and none in valuenum" in (found.directory / "report.md").read_text()


def test_report_says_which_validation_patients_chose_what(report: EvaluateReport) -> None:
    page = (report.directory / "report.md").read_text()
    assert "encoders and token predictors (on the validation patients that are not kept for calibration)" in page
    assert "on all of them the epoch of fusion and of every rival, the best single modality" in page
