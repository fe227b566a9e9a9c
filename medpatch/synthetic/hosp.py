"""hosp/: patients, admissions, transfers, services and diagnoses of one chunk."""

from functools import cache

import numpy as np
import polars as pl

from medpatch.config.name import PHENOTYPES
from medpatch.synthetic.chunk import NO_TIME, UNITS, Chunk, hours, milliseconds
from medpatch.synthetic.identity import TRANSFER, identifiers, provider_id
from medpatch.synthetic.state import read_parameter

RACES = (
    "WHITE", "WHITE - RUSSIAN", "WHITE - OTHER EUROPEAN", "BLACK/AFRICAN AMERICAN", "BLACK/CAPE VERDEAN",
    "HISPANIC/LATINO - PUERTO RICAN", "HISPANIC/LATINO - DOMINICAN", "ASIAN", "ASIAN - CHINESE", "OTHER",
    "UNKNOWN", "UNABLE TO OBTAIN", "PATIENT DECLINED TO ANSWER", "PORTUGUESE",
)  # fmt: skip
ADMISSION_TYPES = ("EW EMER.", "URGENT", "OBSERVATION ADMIT", "SURGICAL SAME DAY ADMISSION", "ELECTIVE")
LOCATIONS = ("EMERGENCY ROOM", "TRANSFER FROM HOSPITAL", "PHYSICIAN REFERRAL", "WALK-IN/SELF REFERRAL")
DISCHARGES = ("HOME", "HOME HEALTH CARE", "SKILLED NURSING FACILITY", "REHAB", "CHRONIC/LONG TERM ACUTE CARE")
WITHOUT_DIAGNOSES = 0.012
UNLISTED = ("0000", "ZZZ99")
"""Codes of no dictionary: the inner join with d_icd_diagnoses drops them."""


def patients(chunk: Chunk) -> pl.DataFrame:
    """One row per subject."""
    people = chunk.subjects
    group = 2008 + 3 * (people.subject_id % 4)
    return pl.DataFrame(
        {
            "subject_id": people.subject_id,
            "gender": np.where(people.is_female, "F", "M"),
            "anchor_age": people.anchor_age,
            "anchor_year": people.anchor_year,
            "anchor_year_group": [f"{year} - {year + 2}" for year in group.tolist()],
            "dod": pl.Series(milliseconds(people.dod)).cast(pl.Date),
        }
    )


def admissions(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """One row per hospital admission."""
    rows = chunk.admissions
    count, died = len(rows.hadm_id), ~np.isnat(rows.deathtime)
    came_by_ed = rng.random(count) < 0.6
    race = rng.choice(RACES, len(chunk.subjects.subject_id))[rows.subject]
    return pl.DataFrame(
        {
            "subject_id": chunk.subjects.subject_id[rows.subject],
            "hadm_id": rows.hadm_id,
            "admittime": milliseconds(rows.admittime),
            "dischtime": milliseconds(rows.dischtime),
            "deathtime": milliseconds(rows.deathtime),
            "admission_type": rng.choice(ADMISSION_TYPES, count),
            "admit_provider_id": provider_id(rng, count),
            "admission_location": rng.choice(LOCATIONS, count),
            "discharge_location": np.where(died, "DIED", rng.choice(DISCHARGES, count)),
            "insurance": rng.choice(["Medicare", "Medicaid", "Private", "Other"], count),
            "language": rng.choice(["ENGLISH", "?", "SPANISH"], count, p=[0.85, 0.1, 0.05]),
            "marital_status": rng.choice(["MARRIED", "SINGLE", "WIDOWED", "DIVORCED"], count),
            "race": race,
            "edregtime": milliseconds(np.where(came_by_ed, rows.admittime - hours(4.0), NO_TIME)),
            "edouttime": milliseconds(np.where(came_by_ed, rows.admittime + hours(1.2), NO_TIME)),
            "hospital_expire_flag": died.astype(int),
        }
    )


def transfers(chunk: Chunk) -> pl.DataFrame:
    """Ward, ICU stays and discharge of every admission."""
    rows, stays = chunk.admissions, chunk.stays
    every = np.arange(len(rows.hadm_id))
    index = np.full(len(every), -1)
    index[stays.admission[: chunk.plan.count]] = np.arange(chunk.plan.count)
    to_icu = np.where(index >= 0, stays.intime[index], rows.dischtime)
    row = np.concatenate([every, stays.admission, every])
    kind = np.repeat([0, 1, 2], [len(every), len(stays.admission), len(every)])
    unit = np.array([*UNITS, "Medicine"], dtype=object)
    ward = np.full(len(every), len(UNITS))
    order = np.lexsort((np.concatenate([rows.admittime, stays.intime, rows.dischtime]), kind, row))
    return pl.DataFrame(
        {
            "subject_id": chunk.subjects.subject_id[rows.subject[row]],
            "hadm_id": rows.hadm_id[row],
            "eventtype": np.array(["admit", "transfer", "discharge"])[kind],
            "careunit": [
                None if k == 2 else u
                for k, u in zip(
                    kind.tolist(), unit[np.concatenate([ward, stays.first_unit, ward])].tolist(), strict=True
                )
            ],
            "intime": milliseconds(np.concatenate([rows.admittime, stays.intime, rows.dischtime])),
            "outtime": milliseconds(np.concatenate([to_icu, stays.outtime, np.full(len(every), NO_TIME)])),
        }
    )[order].with_columns(pl.Series("transfer_id", identifiers(TRANSFER, chunk.number, count=len(row), room=8192)))


def services(chunk: Chunk) -> pl.DataFrame:
    """One service per admission."""
    rows = chunk.admissions
    return pl.DataFrame(
        {
            "subject_id": chunk.subjects.subject_id[rows.subject],
            "hadm_id": rows.hadm_id,
            "transfertime": milliseconds(rows.admittime + hours(0.1)),
            "prev_service": pl.Series([None] * len(rows.hadm_id), dtype=pl.String),
            "curr_service": np.array(["MED", "SURG", "CMED", "NMED"])[rows.hadm_id % 4],
        }
    )


def diagnoses(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Codes of every admission: one or two per condition it has, some others, in random order.

    A few admissions have none at all; a few codes are in no dictionary.
    """
    rows = chunk.admissions
    version = np.where(rng.random(len(rows.hadm_id)) < 0.5, 9, 10)
    frames = []
    for name, by_version in _codes().items():
        if name:
            condition = np.zeros(len(rows.hadm_id), dtype=bool)
            in_icu = rows.plan_row >= 0
            condition[in_icu] = chunk.plan.state.condition[rows.plan_row[in_icu], PHENOTYPES.index(name)]
            frames.append(_coded(rng, np.flatnonzero(condition), version=version, codes=by_version))
        else:
            for _ in range(3):
                other = np.flatnonzero(rng.random(len(version)) < 0.6)
                frames.append(_coded(rng, other, version=version, codes=by_version))
    unlisted = np.flatnonzero(rng.random(len(version)) < 0.05)
    frames.append(_coded(rng, unlisted, version=version, codes={9: UNLISTED[:1], 10: UNLISTED[1:]}))
    table = pl.concat(frames).unique(subset=["row", "icd_code"], keep="first", maintain_order=True)
    has_any = rng.random(len(version)) >= WITHOUT_DIAGNOSES
    table = table.with_columns(pl.Series("order", rng.random(table.height)))
    table = table.filter(pl.Series(has_any[table["row"].to_numpy()])).sort("row", "order")
    row = table["row"].to_numpy()
    return table.select(
        pl.Series("subject_id", chunk.subjects.subject_id[rows.subject[row]]),
        pl.Series("hadm_id", rows.hadm_id[row]),
        (pl.int_range(pl.len()).over("row") + 1).alias("seq_num"),
        "icd_code",
        pl.Series("icd_version", version[row]),
    )


def diagnosis_dictionary() -> pl.DataFrame:
    """hosp/d_icd_diagnoses: every code that `diagnoses` uses on purpose."""
    return pl.DataFrame(read_parameter("diagnosis")).select("icd_code", "icd_version", "long_title")


def _coded(
    rng: np.random.Generator, rows: np.ndarray, *, version: np.ndarray, codes: dict[int, tuple[str, ...]]
) -> pl.DataFrame:
    picked = [
        codes[v][int(u * len(codes[v]))]
        for v, u in zip(version[rows].tolist(), rng.random(len(rows)).tolist(), strict=True)
    ]
    return pl.DataFrame({"row": rows, "icd_code": pl.Series(picked, dtype=pl.String)})


@cache
def _codes() -> dict[str, dict[int, tuple[str, ...]]]:
    """Condition -> ICD version -> codes; the empty name holds codes of no condition."""
    table: dict[str, dict[int, tuple[str, ...]]] = {}
    for row in read_parameter("diagnosis"):
        versions = table.setdefault(row["name"], {9: (), 10: ()})
        versions[int(row["icd_version"])] += (row["icd_code"],)
    return table
