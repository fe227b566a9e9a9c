"""icu/chartevents: assessments that carry the evidence, vital signs between them, and realistic mess."""

from functools import cache

import numpy as np
import polars as pl

from medpatch.config.name import Modality
from medpatch.synthetic.chunk import Chunk, milliseconds
from medpatch.synthetic.event import Moments, number_frame, text_frame
from medpatch.synthetic.evidence import emissions
from medpatch.synthetic.identity import CAREGIVERS
from medpatch.synthetic.plan import channel_of
from medpatch.synthetic.state import read_parameter

VITALS = ("heart_rate", "respiratory_rate", "mean_pressure", "systolic", "diastolic", "saturation")
VITALS_RATE = 0.20
ARTERIAL = {220181: 220052, 220179: 220050, 220180: 220051}  # cuff -> arterial line: mean, systolic, diastolic
GCS = {  # channel -> itemid, ordinary answers, answers that are evidence, with the number MIMIC gives each
    "gcs_eye": (220739, (("Spontaneously", 4), ("To Speech", 3)), (("None", 1), ("To Pain", 2))),
    "gcs_verbal": (
        223900,
        (("Oriented", 5), ("Oriented", 5)),
        (("Confused", 4), ("Inappropriate Words", 3), ("Incomprehensible sounds", 2)),
    ),
    "gcs_motor": (
        223901,
        (("Obeys Commands", 6), ("Obeys Commands", 6)),
        (
            ("Localizes Pain", 5),
            ("Flex-withdraws", 4),
            ("Abnormal Flexion", 3),
            ("Abnormal extension", 2),
            ("No response", 1),
        ),
    ),
}
UNMAPPED = {  # items that no variable uses, with answers
    220048: ("SR (Sinus Rhythm)", "ST (Sinus Tachycardia)", "AF (Atrial Fibrillation)"),
    224650: ("None", "PVC's"),
    223781: ("No", "Yes", "Unable to Assess"),
    224080: ("HOB > 30 degrees", "HOB < 30 degrees"),
    228096: (" 0  Alert and calm", "-1 Awakens to voice (eye opening/contact) > 10 sec"),
    223951: ("Normal <3 Seconds", "Abnormal >3 Seconds"),
}


def chart_events(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Rows of mimiciv/icu/chartevents for all stays of a chunk, ordered by stay and time."""
    plan, count = chunk.plan, len(chunk.stays.stay_id)
    phase = np.concatenate([plan.phase_hours, np.full(count - plan.count, 0.5)])
    assessed = Moments(plan.assess_stay, _second(plan.assess_hour, phase[plan.assess_stay]))
    between = _between(rng, chunk, phase=phase)
    normal = _Normal(rng, count)
    frames = [
        *_numeric_assessments(rng, chunk, at=assessed, normal=normal),
        *_gcs_assessments(rng, chunk, at=assessed),
        *(
            _numeric(rng, name, at=between, value=normal.draw(rng, name, between.stay), has_line=normal.has_line)
            for name in VITALS
        ),
        *_sizes(rng, Moments(np.arange(count), _second(np.zeros(count), phase))),
        *_unmapped(
            rng,
            Moments(np.concatenate([assessed.stay, between.stay]), np.concatenate([assessed.second, between.second])),
        ),
        *_mess(rng, between, normal=normal),
    ]
    rows = pl.concat(frames).sort("stay", "second", "itemid", maintain_order=True)
    return _with_identity(rng, rows, chunk=chunk)


def free_hours(rng: np.random.Generator, chunk: Chunk, *, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Stay and hour bin of a random share of the hours that no assessment fills."""
    plan, stays = chunk.plan, chunk.stays
    phase = np.concatenate([plan.phase_hours, np.full(len(stays.stay_id) - plan.count, 0.5)])
    bins = np.floor(stays.los_hours - phase).astype(int) + 1
    hour = np.arange(bins.max(initial=1))
    chosen = (rng.random((len(bins), len(hour))) < rate) & (hour < bins[:, None])
    chosen[plan.assess_stay, plan.assess_hour] = False
    return np.nonzero(chosen)


class _Normal:
    """Ordinary values of `count` stays: a level of the patient plus noise, inside the channel's ordinary range."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.has_line = rng.random(count) < 0.3  # pressures come from an arterial line
        self._shift = {name: rng.normal(0, float(row["patient_sd"]), count) for name, row in channels().items()}

    def draw(self, rng: np.random.Generator, name: str, stay: np.ndarray) -> np.ndarray:
        row = channels()[name]
        value = float(row["mean"]) + self._shift[name][stay] + rng.normal(0, float(row["noise_sd"]), len(stay))
        return np.clip(value, float(row["lowest"]), float(row["highest"]))


@cache
def channels() -> dict[str, dict[str, str]]:
    """parameter/channel.csv by channel."""
    return {row["channel"]: row for row in read_parameter("channel")}


@cache
def excursions() -> dict[str, tuple[float, float]]:
    """Symbol -> lowest and highest value that shows it, parameter/excursion.csv."""
    return {row["symbol"]: (float(row["low"]), float(row["high"])) for row in read_parameter("excursion")}


def _second(hour: np.ndarray, phase: np.ndarray) -> np.ndarray:
    return np.round((hour + phase) * 3600).astype(np.int64)


def _between(rng: np.random.Generator, chunk: Chunk, *, phase: np.ndarray) -> Moments:
    stay, hour = free_hours(rng, chunk, rate=VITALS_RATE)
    return Moments(stay, _second(hour, phase[stay]))


def _numeric_assessments(rng: np.random.Generator, chunk: Chunk, *, at: Moments, normal: _Normal) -> list[pl.DataFrame]:
    plan, table = chunk.plan, emissions(Modality.EHR)
    frames = []
    for name in channels():
        value = normal.draw(rng, name, at.stay)
        recorded = np.ones(len(value), dtype=bool)
        for e, emission in enumerate(table):
            if channel_of(emission.symbol) == name:
                low, high = excursions()[emission.symbol]
                value = np.where(plan.ehr_shown[:, e], rng.uniform(low, high, len(value)), value)
                recorded = plan.ehr_recorded[:, e]
        frames.append(_numeric(rng, name, at=at.take(recorded), value=value[recorded], has_line=normal.has_line))
    return frames


def _numeric(
    rng: np.random.Generator, name: str, *, at: Moments, value: np.ndarray, has_line: np.ndarray
) -> pl.DataFrame:
    row = channels()[name]
    itemid = np.full(len(value), int(row["itemid"]))
    unit = np.full(len(value), row["unit"], dtype=object)
    value = np.round(value, int(row["decimals"]))
    if name in ("mean_pressure", "systolic", "diastolic"):
        itemid = np.where(has_line[at.stay], ARTERIAL[int(row["itemid"])], itemid)
    if name == "glucose":
        itemid = rng.choice([225664, 220621, 226537], len(value), p=[0.6, 0.3, 0.1])
    if name == "acidity":
        itemid = np.where(rng.random(len(value)) < 0.1, 220274, itemid)
    if name == "oxygen_fraction":  # a few ordinary ones as a fraction
        value = np.where((value <= 55) & (rng.random(len(value)) < 0.04), value / 100, np.round(value / 5) * 5)
    if name == "temperature":
        celsius = rng.random(len(value)) < 0.04
        value = np.where(celsius, np.round((value - 32) * 5 / 9, 1), value)
        itemid, unit = np.where(celsius, 223762, itemid), np.where(celsius, "°C", unit)
    return number_frame(at, itemid, value=value, unit=unit)


def _gcs_assessments(rng: np.random.Generator, chunk: Chunk, *, at: Moments) -> list[pl.DataFrame]:
    plan, frames = chunk.plan, []
    for e, emission in enumerate(emissions(Modality.EHR)):
        channel = channel_of(emission.symbol)
        if channel not in GCS:
            continue
        itemid, ordinary, telling = GCS[channel]
        answers = np.array([*ordinary, *telling], dtype=object)
        pick = np.where(
            plan.ehr_shown[:, e],
            len(ordinary) + rng.integers(0, len(telling), len(at.stay)),
            rng.integers(0, len(ordinary), len(at.stay)),
        )
        rows = plan.ehr_recorded[:, e]
        chosen = answers[pick[rows]]
        frames.append(
            text_frame(at.take(rows), itemid, value=chosen[:, 0].tolist(), number=[str(n) for n in chosen[:, 1]])
        )
    return frames


def _sizes(rng: np.random.Generator, at: Moments) -> list[pl.DataFrame]:
    """Weight in kg and pounds, height in inches and centimetres, at the first full hour."""
    count = len(at.stay)
    kilogram, inch = np.round(rng.normal(81, 18, count).clip(38, 190), 1), rng.integers(58, 77, count)
    some, tall = np.flatnonzero(rng.random(count) < 0.8), np.flatnonzero(rng.random(count) < 0.6)
    pound = np.flatnonzero(rng.random(count) < 0.4)
    return [
        number_frame(at.take(some), np.full(len(some), 226512), value=kilogram[some], unit="kg"),
        number_frame(
            at.take(pound), np.full(len(pound), 226531), value=np.round(kilogram[pound] / 0.453592, 1), unit=""
        ),
        number_frame(at.take(tall), np.full(len(tall), 226707), value=inch[tall], unit="Inch"),
        number_frame(at.take(tall), np.full(len(tall), 226730), value=np.round(inch[tall] * 2.54), unit="cm"),
    ]


def _unmapped(rng: np.random.Generator, at: Moments) -> list[pl.DataFrame]:
    frames = []
    for itemid, answers in UNMAPPED.items():
        rows = np.flatnonzero(rng.random(len(at.stay)) < 0.5)
        frames.append(text_frame(at.take(rows), itemid, value=rng.choice(answers, len(rows)).tolist()))
    rows = np.flatnonzero(rng.random(len(at.stay)) < 0.3)
    frames.append(number_frame(at.take(rows), np.full(len(rows), 223751), value=np.full(len(rows), 160), unit="mmHg"))
    return frames


def _mess(rng: np.random.Generator, at: Moments, *, normal: _Normal) -> list[pl.DataFrame]:
    """Wrong texts, doubles at one time, a/b pressures and times a year off, all between assessments."""

    def some(share: float) -> Moments:
        return at.take(np.flatnonzero(rng.random(len(at.stay)) < share))

    wrong, double, pair, late = some(0.02), some(0.03), some(0.003), some(0.0005)
    texts = rng.choice([" ___", "ERROR", ">500", "UNABLE TO REPORT"], len(wrong.stay)).tolist()
    upper = normal.draw(rng, "systolic", pair.stay).astype(int)
    lower = normal.draw(rng, "diastolic", pair.stay).astype(int)
    both = [f"{a}/{b}" for a, b in zip(upper, lower, strict=True)]
    late = Moments(late.stay, late.second + 365 * 86_400)
    return [
        text_frame(wrong, 225664, value=texts),
        _numeric(
            rng, "heart_rate", at=double, value=normal.draw(rng, "heart_rate", double.stay), has_line=normal.has_line
        ),
        _numeric(
            rng,
            "respiratory_rate",
            at=double,
            value=normal.draw(rng, "respiratory_rate", double.stay),
            has_line=normal.has_line,
        ),
        text_frame(pair, 224167, value=both),
        text_frame(pair, 224643, value=both),
        _numeric(rng, "heart_rate", at=late, value=normal.draw(rng, "heart_rate", late.stay), has_line=normal.has_line),
    ]


def _with_identity(rng: np.random.Generator, rows: pl.DataFrame, *, chunk: Chunk) -> pl.DataFrame:
    stay = rows["stay"].to_numpy()
    charttime = chunk.stays.intime[stay] + rows["second"].to_numpy().astype("timedelta64[s]")
    delay = np.where(rng.random(len(stay)) < 0.03, -12, rng.integers(0, 55, len(stay))).astype("timedelta64[m]")
    return rows.select("itemid", "value", "valuenum", "valueuom").with_columns(
        pl.Series("subject_id", chunk.subject_of_stay()[stay]),
        pl.Series("hadm_id", chunk.hadm_of_stay()[stay]),
        pl.Series("stay_id", chunk.stays.stay_id[stay]),
        pl.Series("caregiver_id", CAREGIVERS[rng.integers(0, len(CAREGIVERS), len(stay))]),
        pl.Series("charttime", milliseconds(charttime)),
        pl.Series("storetime", milliseconds(charttime + delay)),
        pl.lit(0).alias("warning"),
    )
