"""The corrected extraction once more, row by row in plain Python, to compare the SQL with.

Written from the rules (sql/README.md, docs/deviations.md), not from the queries; slow, and only for the made-up rows
of tests. Seeds give the facts (items, limits, answers, codes); every rule is said here again.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from medpatch.extract.raw_table import MISSING_VALUES

from .restatement import DIGITS, PAIR, SLACK, Row, Tables, answers, number, seed, time

FAHRENHEIT, POUNDS, INCHES = "223761", "226531", "226707"
NUMBERS_OF_DIGITS = ("Glucose", "pH", "Oxygen saturation")


@dataclass(frozen=True)
class Stay:
    """A stay of the cohort.

    Attributes:
        admitted: admission and discharge.
        end: last moment of the window, None where the length of the stay is unknown.
    """

    subject_id: str
    hadm_id: str
    stay_id: str
    intime: datetime
    outtime: datetime | None
    admitted: tuple[datetime, datetime]
    los_hours: float
    end: datetime | None
    died: bool


@dataclass(frozen=True)
class Measurement:
    """A usable value of one stay."""

    stay_id: str
    charttime: datetime
    storetime: datetime | None
    variable: str
    value: float | str


def cohort(tables: Tables, *, hours: int | None) -> list[Stay]:
    """As published, but the age is that at admission."""
    admissions = {(a["subject_id"], a["hadm_id"]): a for a in tables["admissions"]}
    patients = {p["subject_id"]: p for p in tables["patients"]}
    of_admission: dict[str, list[Row]] = defaultdict(list)
    for row in tables["icustays"]:
        is_known = (row["subject_id"], row["hadm_id"]) in admissions and row["subject_id"] in patients
        if is_known and row["first_careunit"] and row["first_careunit"] == row["last_careunit"]:
            of_admission[row["hadm_id"]].append(row)
    stays = []
    for rows in of_admission.values():
        admission, patient = admissions[rows[0]["subject_id"], rows[0]["hadm_id"]], patients[rows[0]["subject_id"]]
        if len(rows) == 1 and (age := _age(patient, admission)) is not None and age >= 18:
            stays.append(_stay(rows[0], admission, patient=patient, hours=hours))
    return stays


def diagnoses(tables: Tables, stay: Stay) -> set[tuple[str, str]]:
    """Code and version of the admission's diagnoses, as far as the dictionary has both."""
    known = {(d["icd_code"].strip(), d["icd_version"]) for d in tables["d_icd_diagnoses"]}
    mine = [d for d in tables["diagnoses_icd"] if (d["subject_id"], d["hadm_id"]) == (stay.subject_id, stay.hadm_id)]
    return {(d["icd_code"].strip(), d["icd_version"]) for d in mine} & known


def phenotypes(codes: Iterable[tuple[str, str]]) -> set[str]:
    """ICD-9 codes by the list, ICD-10 codes by the prefixes of the category."""
    listed = {row["icd_code"]: row["phenotype"] for row in seed("phenotype") if row["icd_version"] == "9"}
    prefixes = [(row["icd_code_prefix"], row["phenotype"]) for row in seed("phenotype_icd10")]
    found = {listed[code] for code, version in codes if version == "9" and code in listed}
    return found | {name for code, version in codes if version == "10" for p, name in prefixes if code.startswith(p)}


def cells(tables: Tables, stays: list[Stay]) -> dict[tuple[int, float, str], float | str]:
    """(stay_id, hours, variable) -> the largest value that was known when the window ended."""
    mine: dict[str, list[Stay]] = defaultdict(list)
    for stay in stays:
        mine[stay.subject_id].append(stay)
    measured: dict[str, list[Measurement]] = defaultdict(list)
    for subject_id, row, source in _rows(tables):
        if subject_id in mine:
            measured[subject_id].extend(_measurements(row, source, stays=mine[subject_id]))
    found: dict[tuple[int, float, str], float | str] = {}
    for stay in stays:
        if stay.end is None:
            continue
        known = [m for m in measured[stay.subject_id] if m.storetime is None or m.storetime <= stay.end]
        own = {m.charttime for m in known if m.stay_id == stay.stay_id}
        for m in known:
            is_inside = stay.outtime is not None and stay.intime <= m.charttime <= stay.outtime
            if stay.intime <= m.charttime <= stay.end and (is_inside or m.charttime in own):
                hours = (m.charttime - stay.intime) / timedelta(seconds=1) / 60.0 / 60.0
                key = (int(stay.stay_id), hours, m.variable)
                found[key] = max(found.get(key, m.value), m.value)
    return found


def samples(stays: list[Stay], tables: Tables, found: Iterable[tuple[int, float, str]], *, hours: int | None) -> set:
    """stay_id of those with a diagnosis, a whole window and a cell."""
    with_cell = {stay_id for stay_id, *_ in found}
    return {
        int(s.stay_id)
        for s in stays
        if int(s.stay_id) in with_cell
        and diagnoses(tables, s)
        and s.los_hours >= (s.los_hours if hours is None else hours) - SLACK
    }


def _age(patient: Row, admission: Row) -> int | None:
    """Age at admission; a negative one in the anchor year counts as 90."""
    if not patient["anchor_age"]:
        return None
    anchor = int(patient["anchor_age"])
    return (90 if anchor < 0 else anchor) + time(admission["admittime"]).year - int(patient["anchor_year"])


def _stay(row: Row, admission: Row, *, patient: Row, hours: int | None) -> Stay:
    intime, start, end = time(row["intime"]), time(admission["admittime"]), time(admission["dischtime"])
    deaths = [time(text) for text in (patient["dod"], admission["deathtime"]) if text]
    los = 24 * float(row["los"]) if row["los"] else math.nan
    length = los if hours is None else hours
    return Stay(
        row["subject_id"],
        row["hadm_id"],
        row["stay_id"],
        intime,
        time(row["outtime"]) if row["outtime"] else None,
        (start, end),
        los,
        None if math.isnan(length) else intime + timedelta(seconds=math.floor((length + SLACK) * 3600)),
        any(start <= death <= end for death in deaths),
    )


def _rows(tables: Tables) -> Iterator[tuple[str, Row, str]]:
    for source in ("chartevents", "labevents"):
        for row in tables[source]:
            yield row["subject_id"], row, source


def _measurements(row: Row, source: str, *, stays: list[Stay]) -> Iterator[Measurement]:
    """The row for each stay that it belongs to: nearly always one or none."""
    variable = {(i["source_table"], i["itemid"]): i["variable"] for i in seed("ehr_itemid")}.get(
        (source, row["itemid"])
    )
    value = None if variable is None or not row["charttime"] else _value(variable, row)
    if value is None:
        return
    charttime = time(row["charttime"])
    for stay in stays:
        if row["hadm_id"]:
            is_mine = row["hadm_id"] == stay.hadm_id
        else:
            is_mine = stay.admitted[0] <= charttime <= stay.admitted[1]
        if is_mine and row.get("stay_id") in (None, "", stay.stay_id):
            stored = time(row["storetime"]) if row["storetime"] else None
            yield Measurement(stay.stay_id, charttime, stored, variable, value)


def _value(variable: str, row: Row) -> float | str | None:
    """A known answer, or a number in the channel's unit and range."""
    text = "" if row["value"] in MISSING_VALUES else row["value"]
    if variable in answers():
        return text if text in answers()[variable] else None
    pair = PAIR.fullmatch(text)
    if pair is not None and variable.endswith("tolic blood pressure"):
        text = pair.group(1 if variable.startswith("Systolic") else 2)
    if variable in NUMBERS_OF_DIGITS and not DIGITS.fullmatch(text):
        text = ""
    numeric = None if row["valuenum"] in MISSING_VALUES else float(row["valuenum"])
    read = number(text) if number(text) is not None else numeric
    return None if read is None else _plausible(variable, _converted(variable, read, itemid=row["itemid"]))


def _converted(variable: str, read: float, *, itemid: str) -> float:
    if itemid == FAHRENHEIT:
        return (read - 32) * 5 / 9
    if itemid == POUNDS:
        return read * 0.453592
    if itemid == INCHES:
        return read * 2.54
    if variable == "Fraction inspired oxygen" and read > 1:
        return read / 100
    if variable == "Oxygen saturation" and read <= 1:
        return read * 100
    return read


def _plausible(variable: str, value: float) -> float | None:
    """None for an outlier; else the nearest value of the valid range."""
    limits = next(row for row in seed("ehr_variable") if row["variable"] == variable)
    if not float(limits["outlier_low"]) <= value <= float(limits["outlier_high"]):
        return None
    return min(max(value, float(limits["plausible_low"])), float(limits["plausible_high"]))
