"""The published extraction once more, row by row in plain Python, to compare the SQL with.

Written from the rules (sql/README.md), not from the queries; slow, and only for the made-up rows of tests.
"""

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from medpatch.config.path import SQL_DIR
from medpatch.extract.raw_table import MISSING_VALUES

Row = Mapping[str, str]
Tables = Mapping[str, list[dict[str, str]]]
SLACK = 1e-6
DIGITS = re.compile(r"(\d+(\.\d*)?|\.\d+)", re.ASCII)
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
PAIR = re.compile(r"(\d+)/(\d+)", re.ASCII)
TEXT_MAXIMUM = ("Heart Rate", "Respiratory rate", "Mean blood pressure")


@dataclass(frozen=True)
class Stay:
    """A stay of the cohort."""

    subject_id: str
    hadm_id: str
    stay_id: str
    intime: datetime
    outtime: datetime | None
    los_hours: float
    died: bool


@cache
def seed(name: str) -> tuple[dict[str, str], ...]:
    """Rows of a seed."""
    with (SQL_DIR / "seed" / f"{name}.csv").open(newline="") as stream:
        return tuple(csv.DictReader(stream))


def cohort(tables: Tables) -> list[Stay]:
    """Unit changes are set aside, then admissions with several stays, then the young."""
    admissions = {(a["subject_id"], a["hadm_id"]): a for a in tables["admissions"]}
    patients = {p["subject_id"]: p for p in tables["patients"]}
    one_unit = [
        i
        for i in tables["icustays"]
        if i["first_careunit"] and i["first_careunit"] == i["last_careunit"]
        if (i["subject_id"], i["hadm_id"]) in admissions and i["subject_id"] in patients
    ]
    found = []
    for i in one_unit:
        a, p = admissions[i["subject_id"], i["hadm_id"]], patients[i["subject_id"]]
        is_only = sum(other["hadm_id"] == i["hadm_id"] for other in one_unit) == 1
        age = int(p["anchor_age"] or 0)
        if is_only and (age >= 18 or age < 0):  # a negative age counts as 90
            within = [time(a["admittime"]) <= time(t) <= time(a["dischtime"]) for t in (p["dod"], a["deathtime"]) if t]
            los = 24 * float(i["los"]) if i["los"] else math.nan
            found.append(Stay(i["subject_id"], i["hadm_id"], i["stay_id"], time(i["intime"]),
                              time(i["outtime"]) if i["outtime"] else None, los, any(within)))  # fmt: skip
    return found


def diagnosis_codes(tables: Tables, stay: Stay) -> set[str]:
    """Codes of the admission that the dictionary has, whatever their version."""
    known = {d["icd_code"].strip() for d in tables["d_icd_diagnoses"]}
    return {
        d["icd_code"].strip()
        for d in tables["diagnoses_icd"]
        if (d["subject_id"], d["hadm_id"]) == (stay.subject_id, stay.hadm_id) and d["icd_code"].strip() in known
    }


def phenotypes(codes: Iterable[str]) -> set[str]:
    """Conditions that any of the codes is listed for."""
    listed = {row["icd_code"]: row["phenotype"] for row in seed("phenotype")}
    return {listed[code] for code in codes if code in listed}


def cells(tables: Tables, stays: list[Stay]) -> dict[str, dict[tuple[float, str], float | str]]:
    """stay_id -> (hours, variable) -> value, before any window."""
    variable_of = {(row["source_table"], row["itemid"]): row["variable"] for row in seed("ehr_itemid")}
    selected = {row["itemid"] for row in seed("ehr_selected_itemid")}
    stay_of = {(s.subject_id, s.hadm_id): s for s in stays}
    valid: dict[str, list[tuple[datetime, str, Row, str | None]]] = defaultdict(list)
    for source in ("chartevents", "labevents"):
        for row in tables[source]:
            stay = stay_of.get((row["subject_id"], row["hadm_id"]))
            is_selected = row["itemid"] in selected or (source, row["itemid"]) in variable_of
            if stay is None or not is_selected or row["value"] in MISSING_VALUES:
                continue
            if row.get("stay_id") in (None, "", stay.stay_id):
                name = variable_of.get((source, row["itemid"]))
                valid[row["subject_id"]].append((time(row["charttime"]), stay.stay_id, row, name))
    found: dict[str, dict[tuple[float, str], float | str]] = defaultdict(dict)
    for subject_id, rows in valid.items():
        has_text = any(is_text(row["value"]) for _, _, row, _ in rows)
        values: dict[tuple[datetime, str], list[float | str]] = defaultdict(list)
        times: dict[datetime, set[str]] = defaultdict(set)
        for when, stay_id, row, name in rows:
            value = None if name is None else cleaned(name, row, has_text=has_text)
            if value is not None:
                values[when, name].append(value)
                times[when].add(stay_id)
        for stay in (s for s in stays if s.subject_id == subject_id):
            for (when, name), several in values.items():
                is_inside = stay.outtime is not None and stay.intime <= when <= stay.outtime
                if stay.stay_id in times[when] or is_inside:
                    hours = (when - stay.intime) / timedelta(seconds=1) / 60.0 / 60
                    largest = max(several)
                    found[stay.stay_id][hours, name] = number(largest) if name in TEXT_MAXIMUM else largest
    return found


def cleaned(variable: str, row: Row, *, has_text: bool) -> float | str | None:
    """The value of a row; text of rates and answers is kept where the subject has any text."""
    text = row["value"]
    if variable in answers():
        return text if text in answers()[variable] else None
    pair = PAIR.fullmatch(text)
    if pair is not None and variable.endswith("tolic blood pressure"):
        text = pair.group(1 + variable.startswith("Diastolic"))
    if number(text) is None:
        return None
    if variable in TEXT_MAXIMUM:
        return text if has_text else number(text)
    if variable in ("Glucose", "pH", "Oxygen saturation") and has_text and not DIGITS.fullmatch(text):
        return None
    value = float(text)
    converted = {
        "Fraction inspired oxygen": value / 100,
        "Oxygen saturation": value * 100 if value <= 1 else value,
        "Temperature": (value - 32) * 5 / 9 if value >= 79 else value,
        "Weight": value * 0.453592 if row["itemid"] == "226531" else value,
    }
    return converted.get(variable, value)


def samples(stays: list[Stay], tables: Tables, found: Mapping[str, Mapping], *, hours: int | None) -> dict[str, dict]:
    """stay_id -> cells of the window, of the stays that the task can use."""
    kept = {}
    for stay in stays:
        end = stay.los_hours if hours is None else hours
        inside = {key: v for key, v in found.get(stay.stay_id, {}).items() if -SLACK < key[0] < end + SLACK}
        if inside and stay.los_hours >= end - SLACK and diagnosis_codes(tables, stay):
            kept[stay.stay_id] = inside
    return kept


@cache
def answers() -> dict[str, list[str]]:
    """Categorical channel -> its answers."""
    rows = seed("ehr_variable")
    return {row["variable"]: row["possible_values"].split("|") for row in rows if row["is_categorical"] == "1"}


def number(text: float | str) -> float | None:
    """The number that a text is, or None."""
    return float(text) if isinstance(text, float) or NUMBER.fullmatch(text.strip()) else None


def is_text(text: str) -> bool:
    """True if a reader of columns of numbers, which knows infinity, does not take it for one."""
    return number(text) is None and text.strip().lower().lstrip("+-") not in ("inf", "infinity")


def time(text: str) -> datetime:
    """A time, or the midnight of a date."""
    return datetime.fromisoformat(text)
