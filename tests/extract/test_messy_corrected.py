"""The `corrected` profile on messy made-up tables, every row against the rules restated in plain Python."""

import random
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from medpatch.config.cohort import Correction
from medpatch.config.override import apply_overrides
from medpatch.config.preset import preset

from . import restatement_corrected as restatement
from .messy import messy_tables
from .restatement import Tables
from .test_messy import extracted, rounded

SEEDS = (0, 1, 6, 22)
NUMBERS = (
    "5",
    "",
    "0.4",
    "1",
    "1.0",
    "1.1",
    "21",
    "72",
    "98.6",
    "150",
    "250.5",
    "7.4",
    "375",
    "380",
    "1e3",
    "NaN",
    "inf",
)
ESSENTIAL = (
    Correction.ADMISSION_AGE,
    Correction.RECOVER_HADM_ID,
    Correction.NUMBER_FROM_VALUENUM,
    Correction.UNITS_BY_ITEM,
    Correction.NUMERIC_MAXIMUM,
    Correction.PLAUSIBLE_LIMITS,
    Correction.VALUE_KNOWN,
)
LATENESS = (0, 60, 3600, 90000, 400000)
"""Seconds from when a value was charted to when it was stored."""


def troubled_tables(seed: int) -> Tables:
    """The messy tables with stored times, numbers beside texts, years of anchoring, and admissions that overlap."""
    tables = messy_tables(seed)
    rng = random.Random(1000 + seed)
    for row in tables["patients"]:
        row["anchor_year"] = str(2150 + rng.choice((0, 0, -3, -1, 1, 2)))
        row["anchor_age"] = rng.choice((row["anchor_age"], row["anchor_age"], "17", "18"))
    for row in tables["admissions"]:
        if rng.random() < 0.3:
            row["dischtime"] = str(datetime.fromisoformat(row["dischtime"]) + timedelta(days=3))
    ends = _ends(tables)
    for source in ("chartevents", "labevents"):
        for row in tables[source]:
            row["valuenum"] = rng.choice(NUMBERS)
            row["hadm_id"] = rng.choice((row["hadm_id"], row["hadm_id"], ""))
            row["storetime"] = _stored(rng, row, ends=ends[row["subject_id"]])
            row["charttime"] = row["charttime"] if rng.random() < 0.98 else ""
    return tables


def _ends(tables: Tables) -> dict[str, list[datetime]]:
    """subject_id -> moments at which a window may end."""
    ends: dict[str, list[datetime]] = {}
    for row in tables["icustays"]:
        intime = datetime.fromisoformat(row["intime"])
        leaving = [datetime.fromisoformat(row["outtime"])] if row["outtime"] else []
        ends.setdefault(row["subject_id"], []).extend([intime + timedelta(hours=48), *leaving])
    return ends


def _stored(rng: random.Random, row: dict[str, str], *, ends: list[datetime]) -> str:
    if rng.random() < 0.3:
        return ""
    if rng.random() < 0.4:
        return str(rng.choice(ends) + timedelta(seconds=rng.choice((0, 1, -1))))
    return str(datetime.fromisoformat(row["charttime"]) + timedelta(seconds=rng.choice(LATENESS)))


def found_cells(event: pl.DataFrame) -> list[tuple[tuple[int, float, str], float | str]]:
    rows = event.select("stay_id", "hours_after_intime", "variable", "value", "value_text").iter_rows()
    return [((stay, hours, name), text if value is None else rounded(value)) for stay, hours, name, value, text in rows]


@pytest.mark.parametrize("task", ["in_hospital_mortality", "phenotyping"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_is_that_of_the_corrected_rules(seed: int, task: str, tmp_path: Path) -> None:
    config = apply_overrides(preset(task), {"cohort.profile": "corrected", "modality.modalities": ("ehr",)})
    hours = config.cohort.window_hours
    tables = troubled_tables(seed)
    stays = restatement.cohort(tables, hours=hours)
    cells = restatement.cells(tables, stays)
    samples = restatement.samples(stays, tables, cells, hours=hours)

    found = extracted(tables, config, tmp_path)

    stay = found["stay"].select("stay_id", "in_hospital_mortality").rows()
    assert sorted(stay) == sorted((int(s.stay_id), s.died) for s in stays)
    assert sorted(found_cells(found["ehr_event"])) == sorted((key, rounded(value)) for key, value in cells.items())
    assert set(found["stay_index"]["stay_id"]) == samples
    of_sample = [s for s in stays if int(s.stay_id) in samples]
    if hours is None:
        positive = found["label_phenotype"].filter(label=1).select("stay_id", "phenotype").rows()
        codes = {int(s.stay_id): restatement.diagnoses(tables, s) for s in of_sample}
        assert sorted(positive) == sorted((s, name) for s, c in codes.items() for name in restatement.phenotypes(c))
    else:
        label = found["label_in_hospital_mortality"].rows()
        assert sorted(label) == sorted((int(s.stay_id), int(s.died)) for s in of_sample)


@pytest.mark.parametrize("rule", ESSENTIAL)
def test_troubled_tables_need_every_correction(rule: Correction, tmp_path: Path) -> None:
    """A query that left one of them out would differ from the restatement."""
    others = [str(other) for other in Correction if other is not rule]
    config = apply_overrides(preset("phenotyping"), {"cohort.corrections": others, "modality.modalities": ("ehr",)})
    tables = troubled_tables(SEEDS[2])
    stays = restatement.cohort(tables, hours=None)
    cells = [(key, rounded(value)) for key, value in restatement.cells(tables, stays).items()]

    found = extracted(tables, config, tmp_path)

    assert sorted(found_cells(found["ehr_event"])) != sorted(cells)
