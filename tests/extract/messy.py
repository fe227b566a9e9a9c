"""Made-up raw tables in which everything that the rules speak of happens often."""

import random
from datetime import datetime, timedelta
from typing import Any

HEADERS = {
    "patients": "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod",
    "admissions": "subject_id,hadm_id,admittime,dischtime,deathtime,admit_provider_id,race",
    "icustays": "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los",
    "diagnoses_icd": "subject_id,hadm_id,seq_num,icd_code,icd_version",
    "d_icd_diagnoses": "icd_code,icd_version,long_title",
    "chartevents": "subject_id,hadm_id,stay_id,charttime,storetime,itemid,value,valuenum,valueuom",
    "labevents": "labevent_id,subject_id,hadm_id,itemid,charttime,storetime,value,valuenum,comments",
}
FOLDER = {name: "icu" if name in ("icustays", "chartevents") else "hosp" for name in HEADERS}
DICTIONARY = ["4019:9", "78552:9", "V420:9", "V420:10", "R6521:10", "V4501:9", "5849:9", "N179:10", "I10:10"]
BILLED = [*DICTIONARY, "V420:10", "V4501:10", "0389:9", "ZZZ:9"]
RATES = ("9", "99", "101", "100", "88.0", " 98", "1e2", "0", "-4")
PRESSURES = ("120/80", "98/55", "118", "120.5", " 121 ", "0")
FREE = ("0.5", "1", "21", "50", "100", "37", "78.9", "79", "98.6", "-1", "0", " 70", "1.7e2")
LAB = ("7.4", "120", "5.5", ".9", "7.", " 120", "-3", "1e1", "0", "1", "0.98")
LAB_TEXT = (*LAB, "___", ">500", "ERROR")
MISSING = ("", "NA", "NaN", "null", "N/A", "#N/A")
CHART = {
    **dict.fromkeys((220045, 220210, 224690, 220052, 220181), RATES),
    **dict.fromkeys((220179, 220050, 220180, 220051), PRESSURES),
    **dict.fromkeys((223835, 223761, 223762, 226531, 226512, 226707, 226730), FREE),
    **dict.fromkeys((220621, 226537, 220274, 220277, 220227), LAB),
}
ANSWERS = {
    220739: ("None", "To Speech", "Spontaneously", "To Pain"),
    223901: ("Obeys Commands", "No response", "Localizes Pain"),
    223900: ("Oriented", "Confused", "No Response-ETT"),
}
LABS = (50931, 50809, 50820, 50817, 51478, 51491, 50831, 51094)
UNUSED = (51221, 220000, 999)


def messy_tables(seed: int, *, subjects: int = 30) -> dict[str, list[dict[str, str]]]:
    """Table -> rows, of a hospital in which every second row is odd."""
    rng = random.Random(seed)
    tables: dict[str, list[dict[str, str]]] = {name: [] for name in HEADERS}
    for code in DICTIONARY:
        _add(tables, "d_icd_diagnoses", icd_code=code.split(":")[0], icd_version=code.split(":")[1], long_title="x")
    for subject in range(1, subjects + 1):
        _subject(rng, tables, subject)
    return tables


def _subject(rng: random.Random, tables: dict[str, list], subject: int) -> None:
    admissions, stays, dods = [], [], [""]
    for number in range(rng.choice((1, 1, 2, 3))):
        hadm = 100 * subject + number
        start = datetime(2150, 1, 1 + 3 * number, rng.randrange(24), rng.randrange(60))
        end = start + timedelta(days=rng.randrange(3, 8))
        dods += [_day(start), _day(end), _day(end + timedelta(days=1)), _day(start + timedelta(days=1))]
        death = rng.choice(("", "", end, end + timedelta(seconds=1), start - timedelta(seconds=1), start))
        _add(tables, "admissions", subject_id=subject, hadm_id=hadm, admittime=start, dischtime=end, deathtime=death,
             race="WHITE")  # fmt: skip
        for place in range(rng.choice((1, 1, 1, 2))):
            stays.append((hadm, 10 * hadm + place, *_stay(rng, tables, subject, hadm=hadm, place=place, start=start)))
        for order in range(rng.choice((0, 1, 3))):
            code, version = rng.choice(BILLED).split(":")
            _add(tables, "diagnoses_icd", subject_id=subject, hadm_id=hadm, seq_num=order, icd_code=code,
                 icd_version=version)  # fmt: skip
        admissions.append(hadm)
    _add(tables, "patients", subject_id=subject, gender="F", anchor_age=rng.choice((17, 18, 50, 91, 60, 70, 33, "")),
         anchor_year=2150, dod=rng.choice(dods))  # fmt: skip
    _events(rng, tables, subject, admissions=admissions, stays=stays)


def _stay(
    rng: random.Random, tables: dict[str, list], subject: int, *, hadm: int, place: int, start: datetime
) -> tuple[datetime, datetime]:
    intime = start + timedelta(hours=rng.randrange(30), seconds=rng.randrange(3600))
    length = timedelta(seconds=rng.choice((172800, 172800, 172799, 172801, 3600, 90061, 200000, 260000, 0)))
    first = rng.choice(("MICU", "MICU", "SICU", "", "MICU"))
    last = rng.choice((first, first, first, first, "CCU"))
    _add(tables, "icustays", subject_id=subject, hadm_id=hadm, stay_id=10 * hadm + place, first_careunit=first,
         last_careunit=last, intime=intime, outtime=rng.choice((intime + length,) * 9 + ("",)),
         los=rng.choice((repr(length / timedelta(days=1)),) * 9 + ("",)))  # fmt: skip
    return intime, intime + length


def _events(rng: random.Random, tables: dict[str, list], subject: int, *, admissions: list, stays: list) -> None:
    has_text = rng.random() < 0.6
    hadms = [*admissions, *admissions, *admissions, "", 99999]
    for _ in range(rng.choice((0, 60, 120))):
        hadm, stay_id, intime, outtime = rng.choice(stays)
        edge = rng.choice((intime, outtime, intime + timedelta(hours=48), intime + timedelta(hours=rng.randrange(50))))
        when = edge + timedelta(seconds=rng.choice((0, 0, 1, -1, 1800, 3600, -7200)))
        item = rng.choice((*CHART, *CHART, *(ANSWERS if has_text else ()), *UNUSED))
        pool = CHART.get(item) or ANSWERS.get(item) or ("1", "2")
        value = rng.choice(pool) if rng.random() < 0.95 else rng.choice(MISSING)
        if not has_text and "/" in value:
            value = "120"
        _add(tables, "chartevents", subject_id=subject, hadm_id=rng.choice((hadm, hadm, hadm, *hadms)),
             stay_id=rng.choice((stay_id, stay_id, stay_id, "", 7)), charttime=when, itemid=item, value=value,
             valuenum="5")  # fmt: skip
        if rng.random() < 0.4:
            _add(tables, "labevents", labevent_id=1, subject_id=subject, hadm_id=rng.choice(hadms),
                 itemid=rng.choice((*LABS, *UNUSED)), charttime=when + timedelta(days=rng.choice((0, 0, -3))),
                 value=rng.choice(LAB_TEXT if has_text else LAB), valuenum="5")  # fmt: skip


def _add(tables: dict[str, list], name: str, **fields: Any) -> None:
    row = dict.fromkeys(HEADERS[name].split(","), "")
    tables[name].append(row | {key: str(value) for key, value in fields.items()})


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d}"
