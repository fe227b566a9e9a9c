"""A test split that is too small to call a winner says so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medpatch.config.name import Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.few import few_events_in_words, has_few_events
from medpatch.evaluate.judge import judge
from medpatch.evaluate.prediction import read_predictions
from medpatch.evaluate.section_result import _findings

from .made_up import made_up_rows, write_rows


@pytest.mark.parametrize(("positive", "stays", "is_few"), [(19, 400, True), (20, 400, False), (390, 400, True)])
def test_rarer_class_of_a_single_label_decides(positive: int, stays: int, is_few: bool) -> None:
    label = (np.arange(stays) < positive).astype(np.int8)[:, None]
    assert has_few_events(label) is is_few
    assert bool(few_events_in_words(label)) is is_few


def test_middle_label_decides_where_there_are_several() -> None:
    label = np.zeros((200, 3), np.int8)
    for column, positive in enumerate((5, 30, 60)):
        label[:positive, column] = 1
    assert not has_few_events(label)
    label[10:, 1] = 0
    (words,) = few_events_in_words(label)
    assert "half of the labels" in words
    assert "10" not in words, "the number itself may be one that is hidden"


@pytest.mark.parametrize(("has_few", "words"), [(True, "too few events to tell"), (False, "fusion is better than")])
def test_findings_of_few_events_keep_their_numbers_and_lose_their_verdicts(
    tmp_path: Path, mortality: PipelineConfig, has_few: bool, words: str
) -> None:
    rows = made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=60)
    # MedPatch is always right: far better than any other, if sixty stays could tell
    is_main = rows["model"] == "medpatch"
    rows["logit"] = np.where(is_main, np.where(rows["label"] > 0, 4.0, -4.0), rows["logit"])
    rows["probability"] = 1 / (1 + np.exp(-rows["logit"]))
    path = write_rows(rows, tmp_path)
    val, test = ([read_predictions(path, split, label_names=mortality.labels)] for split in (Split.VAL, Split.TEST))
    verdict = judge(val, test, config=mortality, oracle_dir=None, head="late")
    assert verdict.has_few_events, "nine of sixty"
    assert "intervals and p-values of so few mean little" in verdict.warnings[0]
    findings = " ".join(_findings(replace(verdict, has_few_events=has_few)))
    assert words in findings
    assert ("MedPatch is better than" in findings) is not has_few
    assert "corrected p" in findings
