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
DICTIONARY = (
    "4019:9",
    "78552:9",
    "V420:9",
    "V420:10",
    "R6521:10",
    "V4501:9",
    "5849:9",
    "N179:10",
    "I10:10",
    "V3001 :9",
)
BILLED = (
    *DICTIONARY,
    *DICTIONARY,
    "V420:10",
    "V4501:10",
    "0389:9",
    "ZZZ:9",
    "401.9:9",
    "n179:10",
    " 5849:9",
    "4019  :10",
    ":9",
)
NUMBERS = (
    "0",
    "1",
    "50",
    "100",
    "0.98",
    "37",
    "7.4",
    ".9",
    "7.",
    " 120",
    "-3",
    "1e1",
    "1.7e2",
    "+5",
    "0.5",
    "007",
    "inf",
    "1E2",
)
TEXTS = (
    "___",
    ">500",
    ">10",
    "ERROR",
    "1,000",
    "1_000",
    "1_000",
    "12 mg",
    "none",
    "NAN",
    "None",
    "0x10",
    "1e",
    "٣٧",
    "-",
    "5..",
    "¼",
)
RATES = (*NUMBERS, "9", "99", "101", "88.0", " 98", "1e2", "-4", "100 ")
PRESSURES = (*NUMBERS, "120/80", "98/55", "118", "120.5", " 121 ")
NO_PRESSURES = (*TEXTS, "120/", "/80", "120/80/60", " 120/80", "120.5/80", "a/b", "120 / 80")
FREE = (*NUMBERS, "21", "78.9", "79", "79.0", "98.6", "-1", " 70", "1.7e2", "100", "0.21")
MISSING = ("", "NA", "NaN", "null", "N/A", "#N/A", "nan", "<NA>", "-nan", "1.#IND")
CHART = {
    **dict.fromkeys((220045, 220210, 224690, 224422, 220052, 220181), RATES),
    **dict.fromkeys((220179, 220050, 220180, 220051), PRESSURES),
    **dict.fromkeys((223835, 223761, 223762, 226531, 226512, 224639, 226707, 226730), FREE),
    **dict.fromkeys((220621, 226537, 220274, 220277, 220227, 223830), NUMBERS),
}
ANSWERS = {
    220739: ("None", "To Speech", "Spontaneously", "To Pain", "4 Spontaneously", "spontaneously", "To Pain ", "4"),
    223901: ("Obeys Commands", "No response", "Localizes Pain", "No Response", "6"),
    223900: ("Oriented", "Confused", "No Response-ETT", "1.0 ET/Trach", "ERROR"),
}
LABS = (50931, 50809, 50820, 50817, 51478, 51491, 50831, 51094)
UNUSED = (51221, 220000, 224308, 223951, 999, 50801)


HOURS = (0, 0, 1, 2, 24, 47, 48, 49, 72)
LENGTHS = (
    *(172800, 172801, 200000, 260000, 500000) * 3,
    172799,
    172800,
    3600,
    3601,
    90061,
    200000,
    260000,
    0,
    -3600,
    1,
)


def messy_tables(seed: int, *, subjects: int = 30) -> dict[str, list[dict[str, str]]]:
    """Table -> rows, of a hospital in which every second row is odd."""
    rng = random.Random(seed)
    tables: dict[str, list[dict[str, str]]] = {name: [] for name in HEADERS}
    for code in DICTIONARY:
        _add(tables, "d_icd_diagnoses", icd_code=code.split(":")[0], icd_version=code.split(":")[1], long_title="x")
    for subject in range(1, subjects + 1):
        _subject(rng, tables, subject)
    for rows in tables.values():
        rng.shuffle(rows)
    return tables


def _subject(rng: random.Random, tables: dict[str, list], subject: int) -> None:
    admissions, stays, dods = [], [], [""]
    apart = rng.choice((0, 1, 3, 9))
    for number in range(rng.choice((1, 1, 2, 3))):
        hadm = 100 * subject + number
        start = datetime(2150, 1, 1 + apart * number, rng.randrange(24), rng.randrange(60))
        end = start + timedelta(days=rng.randrange(3, 8))
        if rng.random() < 0.2:  # as in MIMIC: discharge at the midnight of the day of death
            end = datetime(end.year, end.month, end.day)
        dods += [_day(start), _day(end), _day(end + timedelta(days=1)), _day(start + timedelta(days=1))]
        death = rng.choice(("", "", end, end + timedelta(seconds=1), start - timedelta(seconds=1), start))
        # an admission of someone else in the patient's stay, and none at all
        owner = rng.choice((subject,) * 19 + (subject + 1,))
        if rng.random() < 0.95:
            _add(tables, "admissions", subject_id=owner, hadm_id=hadm, admittime=start, dischtime=end,
                 deathtime=death, race="WHITE")  # fmt: skip
        for place in range(rng.choice((1, 1, 1, 1, 1, 1, 1, 2, 3))):
            stays.append((hadm, 10 * hadm + place, *_stay(rng, tables, subject, hadm=hadm, place=place, start=start)))
        for order in range(rng.choice((0, 1, 1, 3, 3, 6))):
            code, version = rng.choice(BILLED).split(":")
            _add(tables, "diagnoses_icd", subject_id=subject, hadm_id=hadm, seq_num=order, icd_code=code,
                 icd_version=version)  # fmt: skip
        admissions.append(hadm)
    ages = (17, 18, 19, 50, 40, 44, 65, 77, 81, 89, 91, 60, 70, 33, "", -1, 0, 120)
    if rng.random() < 0.95:
        _add(tables, "patients", subject_id=subject, gender=rng.choice("FM"), anchor_age=rng.choice(ages),
             anchor_year=2150, dod=rng.choice(dods))  # fmt: skip
    _events(rng, tables, subject, admissions=admissions, stays=stays)


def _stay(
    rng: random.Random, tables: dict[str, list], subject: int, *, hadm: int, place: int, start: datetime
) -> tuple[datetime, datetime]:
    intime = start + timedelta(hours=rng.randrange(30), seconds=rng.randrange(3600))
    length = timedelta(seconds=rng.choice(LENGTHS))
    first = rng.choice((*("MICU",) * 8, "SICU", ""))
    last = rng.choice((*(first,) * 9, "CCU"))
    los = length / timedelta(days=1)
    _add(tables, "icustays", subject_id=subject, hadm_id=hadm, stay_id=10 * hadm + place, first_careunit=first,
         last_careunit=last, intime=intime, outtime=rng.choice((intime + length,) * 9 + ("",)),
         los=rng.choice((repr(los), repr(los), f"{los:.4f}", f"{los:.10f}") * 5 + ("", "2")))  # fmt: skip
    return intime, intime + length


def _events(rng: random.Random, tables: dict[str, list], subject: int, *, admissions: list, stays: list) -> None:
    has_text = rng.random() < 0.6
    hadms = [*admissions, *admissions, *admissions, "", 99999, 100 * (subject + 1)]
    items = [*CHART, *CHART, *(ANSWERS if has_text else ()), *(ANSWERS if has_text else ()), *UNUSED]
    labs = [*LABS, *UNUSED]
    when, item, lab = stays[0][2], items[0], labs[0]
    for _ in range(rng.choice((0, 60, 120))):
        hadm, stay_id, intime, outtime = rng.choice(stays)
        edge = rng.choice(
            (intime, outtime, *(intime + timedelta(hours=h) for h in (rng.choice(HOURS), rng.randrange(50))))
        )
        if rng.random() < 0.7:  # else another row of the same moment
            when = edge + timedelta(seconds=rng.choice((0, 0, 1, -1, 1800, 3600, -7200)))
            item, lab = rng.choice(items), rng.choice(labs)
        elif rng.random() < 0.5:
            item, lab = rng.choice(items), rng.choice(labs)
        value = _value(rng, CHART.get(item) or ANSWERS.get(item) or NUMBERS, has_text=has_text)
        _add(tables, "chartevents", subject_id=subject, hadm_id=rng.choice((hadm, hadm, hadm, *hadms)),
             stay_id=rng.choice((stay_id, stay_id, stay_id, "", 7, stays[0][1])), charttime=when, itemid=item,
             value=value, valuenum=rng.choice(("5", "")))  # fmt: skip
        if rng.random() < 0.4:
            _add(tables, "labevents", labevent_id=1, subject_id=subject, hadm_id=rng.choice(hadms), itemid=lab,
                 charttime=when + timedelta(days=rng.choice((0, 0, -3))), valuenum="5",
                 value=_value(rng, NUMBERS, has_text=has_text))  # fmt: skip


def _value(rng: random.Random, pool: tuple[str, ...], *, has_text: bool) -> str:
    chance = rng.random()
    if chance < 0.05:
        return rng.choice(MISSING)
    if chance < 0.15 and has_text:
        return rng.choice(NO_PRESSURES if pool is PRESSURES else TEXTS)
    value = rng.choice(pool)
    return "120" if not has_text and "/" in value else value


def _add(tables: dict[str, list], name: str, **fields: Any) -> None:
    row = dict.fromkeys(HEADERS[name].split(","), "")
    tables[name].append(row | {key: str(value) for key, value in fields.items()})


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d}"
