"""Card and checklist are complete, filled from the run, and say what is left for the authors."""

import csv
import re

import pytest

from medpatch.config.model import FusionConfig, Late, ModelConfig
from medpatch.config.name import Rival
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import EvaluateConfig, RateConfig, TrainConfig
from medpatch.evaluate.report import EvaluateReport
from medpatch.evaluate.statement import CARD, CHECKLIST, facts_in_words, filled, rates_in_words, recalibration_in_words

from .conftest import FACTS, STATEMENT


@pytest.fixture
def facts(report: EvaluateReport, phenotyping: PipelineConfig) -> dict[str, str]:
    return dict(facts_in_words(report.verdict, phenotyping, facts=FACTS, made_up=None, shown=report.shown))


def test_checklist_has_every_item_once() -> None:
    with CHECKLIST.open(encoding="utf-8", newline="") as file:
        items = [row["item"] for row in csv.DictReader(file)]
    assert len(set(items)) == len(items)
    assert {int(re.match(r"\d+", item)[0]) for item in items} == set(range(1, 28))


def test_no_answer_keeps_a_placeholder(facts: dict[str, str]) -> None:
    for path in (CARD, CHECKLIST):
        for made_up in (False, True):
            rows = filled(path, facts, made_up=made_up)
            assert not [row for row in rows if re.search(r"[{}]", "".join(row.values()))]


def test_what_a_run_cannot_know_is_open_and_says_so(facts: dict[str, str]) -> None:
    rows = {row["item"]: row for row in filled(CHECKLIST, facts, made_up=False)}
    for item in ("17", "18a", "18b", "19", "25"):
        assert (rows[item]["status"], rows[item]["answer"]) == ("open", "For the authors.")


def test_part_answers_name_what_is_missing(facts: dict[str, str]) -> None:
    partly = [row for row in filled(CHECKLIST, facts, made_up=False) if row["status"] == "partly"]
    own = {"12d", "14", "18e", "23b"}  # limits of the data, not of the answer
    assert all("for the authors" in row["answer"].casefold() for row in partly if row["item"] not in own)


def test_made_up_data_are_not_called_mimic(facts: dict[str, str]) -> None:
    words = {**facts, "made_up": STATEMENT}
    rows = {row["item"]: row["answer"] for row in filled(CHECKLIST, words, made_up=True)}
    assert rows["5a"] == STATEMENT
    assert "made up" in rows["17"]
    card = {row["heading"]: row["answer"] for row in filled(CARD, words, made_up=True)}
    assert card["Data"] == STATEMENT


def test_numbers_are_those_of_the_run(report: EvaluateReport, facts: dict[str, str]) -> None:
    score = report.verdict.main.macro
    assert f"{score.auroc.value:.3f}" in facts["auroc"]
    assert facts["stays"] == "120"
    assert "c0ffee" in facts["version"]


def test_models_that_validation_recalibrates_are_named(phenotyping: PipelineConfig) -> None:
    def words(late: Late, *rivals: Rival) -> str:
        own = {
            "model": ModelConfig(fusion=FusionConfig(late=late)),
            "evaluate": EvaluateConfig(rivals=rivals),
        }
        return recalibration_in_words(phenotyping.model_copy(update=own))

    both = words(Late.EVIDENCE, Rival.STACKING)
    assert "MedPatch's weighted sum of heads and of Stacked" in both
    assert "MedPatch" not in words(Late.MEAN, Rival.STACKING)
    assert words(Late.MEAN, Rival.EARLY).startswith("No model")


def test_learning_rates_of_single_parts_are_said_and_those_of_absent_rivals_are_not() -> None:
    train = TrainConfig(learning_rate=1e-3, rate=RateConfig(fusion=5e-4, mmtm=2e-3, daft=3e-3))
    assert rates_in_words(train, (Rival.MMTM, Rival.ENSEMBLE)) == "0.001 (fusion 0.0005, mmtm 0.002)"
    assert rates_in_words(TrainConfig(learning_rate=1e-3), ()) == "0.001"
