"""Chapter on the tokens: before and after temperature, every training seed and what they have in common."""

from dataclasses import replace

import numpy as np
import pytest

from medpatch.contract.confidence import ConfidenceReport
from medpatch.evaluate.census import held_out
from medpatch.evaluate.page import Paragraph
from medpatch.evaluate.section import pictures_in, tables_in
from medpatch.evaluate.section_confidence import confidence_section
from medpatch.evaluate.suppress import Disclosure

from .conftest import confidence_reports

SHOWN = Disclosure(10, {held_out(m): 80 for m in ("ehr", "cxr", "rr")}, {})


@pytest.fixture
def one(mortality) -> tuple[ConfidenceReport, ...]:
    """One training: three modalities."""
    return confidence_reports(mortality)


def test_picture_shows_accuracy_before_and_after_temperature(one) -> None:
    (picture,) = pictures_in([confidence_section(one, shown=SHOWN)])
    lines = {line.get_label(): line for line in picture.figure.axes[0].get_lines()}
    before, after = lines["accuracy before temperature"], lines["accuracy after"]
    # the tokens are too sure by half: a temperature of 2 makes them less so
    assert np.max(before.get_xdata()) > np.max(after.get_xdata())
    assert "before and after the temperature" in picture.caption


def test_report_of_an_older_version_shows_what_it_has(one) -> None:
    old = [replace(r, labels=tuple(replace(x, bin_count_before=()) for x in r.labels)) for r in one]
    (picture,) = pictures_in([confidence_section(old, shown=SHOWN)])
    labels = [line.get_label() for line in picture.figure.axes[0].get_lines()]
    assert "accuracy after" in labels
    assert "accuracy before temperature" not in labels
    assert "before" not in picture.caption


def test_high_tokens_are_judged_at_the_prevalence_beside_the_half(one) -> None:
    # high tokens of a rare label: over its prevalence, in stays that have it, and below 0.5
    rare = [
        replace(r, labels=tuple(replace(x, accuracy_high=0.05, accuracy_high_prior=0.95) for x in r.labels))
        for r in one
    ]
    (table,) = tables_in([confidence_section(rare, shown=SHOWN)])
    found = dict(zip(table.columns, table.rows[0], strict=True))
    assert (found["Accuracy at prevalence, high"], found["Accuracy at 0.5, high"]) == ("95%", "5%")
    assert "high means far from what the prevalence alone says" in table.caption
    old = [replace(r, labels=tuple(replace(x, accuracy_high_prior=None) for x in r.labels)) for r in one]
    (table,) = tables_in([confidence_section(old, shown=SHOWN)])
    assert dict(zip(table.columns, table.rows[0], strict=True))["Accuracy at prevalence, high"] == "–"


def test_several_seeds_are_drawn_thinly_and_their_numbers_averaged(one) -> None:
    other = tuple(replace(r, labels=tuple(replace(x, high_share=x.high_share + 0.2) for x in r.labels)) for r in one)
    section = confidence_section((*one, *other), shown=SHOWN)
    (table,), (picture,) = tables_in([section]), pictures_in([section])
    assert [row[0] for row in table.rows] == ["EHR", "Chest X-ray", "Radiology reports"]
    assert table.rows[0][3] == f"{one[0].labels[0].high_share + 0.1:.0%}"
    assert "2 training seeds" in table.caption
    # the diagonal, and twice two seeds and what they have in common
    assert len(picture.figure.axes[0].get_lines()) == 1 + 2 * 3
    assert "each of 2 training seeds" in picture.caption


def test_without_reports_a_sentence_says_so() -> None:
    (item,) = confidence_section((), shown=SHOWN).items
    assert isinstance(item, Paragraph)
