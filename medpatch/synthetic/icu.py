"""icu/: stays and the event tables that no variable is read from."""

import numpy as np
import polars as pl

from medpatch.synthetic.chunk import UNITS, Chunk, hours, milliseconds
from medpatch.synthetic.identity import CAREGIVERS

DRIPS = (  # itemid, amount unit, rate unit, category, usual rate
    (225158, "ml", "mL/hour", "01-Drips", 75.0),
    (220949, "ml", "mL/hour", "01-Drips", 30.0),
    (221906, "mg", "mcg/kg/min", "01-Drips", 0.1),
    (222168, "mg", "mcg/kg/min", "01-Drips", 25.0),
)


def icu_stays(chunk: Chunk) -> pl.DataFrame:
    """mimiciv/icu/icustays; los in days, negative where outtime is before intime."""
    stays = chunk.stays
    unit = np.array(UNITS)
    order = np.lexsort((stays.intime, chunk.admissions.subject[stays.admission]))
    return pl.DataFrame(
        {
            "subject_id": chunk.subject_of_stay(),
            "hadm_id": chunk.hadm_of_stay(),
            "stay_id": stays.stay_id,
            "first_careunit": unit[stays.first_unit],
            "last_careunit": unit[stays.last_unit],
            "intime": milliseconds(stays.intime),
            "outtime": milliseconds(stays.outtime),
            "los": (stays.outtime - stays.intime).astype(float) / 86_400,
        }
    )[order]


def output_events(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Urine every few hours."""
    frame, _ = _per_day(rng, chunk, rate=4)
    count = frame.height
    return frame.with_columns(
        pl.Series("charttime", frame["starttime"]),
        pl.Series("itemid", rng.choice([226559, 226560, 226588], count, p=[0.85, 0.1, 0.05])),
        pl.Series("value", rng.integers(1, 60, count) * 10),
        pl.lit("ml").alias("valueuom"),
    ).drop("starttime", "endtime")


def input_events(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Infusions, without regard to the hidden state."""
    frame, length = _per_day(rng, chunk, rate=2)
    count = frame.height
    pick = rng.integers(0, len(DRIPS), count)
    rate = np.round(np.array([drip[4] for drip in DRIPS])[pick] * (0.5 + rng.random(count)), 3)
    amount = np.round(rate * length, 3)
    order = rng.integers(100_000, 9_999_999, count)
    text = {
        name: [DRIPS[i][place] for i in pick.tolist()]
        for name, place in (("itemid", 0), ("amountuom", 1), ("rateuom", 2), ("ordercategoryname", 3))
    }
    return frame.with_columns(
        *(pl.Series(name, values) for name, values in text.items()),
        pl.Series("amount", amount),
        pl.Series("rate", rate),
        pl.Series("orderid", order),
        pl.Series("linkorderid", order),
        pl.lit("02-Fluids (Crystalloids)").alias("secondaryordercategoryname"),
        pl.lit("Main order parameter").alias("ordercomponenttypedescription"),
        pl.lit("Continuous Med").alias("ordercategorydescription"),
        pl.lit(80).alias("patientweight"),
        pl.Series("totalamount", amount),
        pl.lit("ml").alias("totalamountuom"),
        pl.lit(0).alias("isopenbag"),
        pl.lit(0).alias("continueinnextdept"),
        pl.lit("FinishedRunning").alias("statusdescription"),
        pl.Series("originalamount", amount),
        pl.Series("originalrate", rate),
    )


def ingredient_events(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Water of the infusions."""
    frame, length = _per_day(rng, chunk, rate=1)
    order = rng.integers(100_000, 9_999_999, frame.height)
    return frame.with_columns(
        pl.lit(220490).alias("itemid"),
        pl.Series("amount", np.round(50 * length, 2)),
        pl.lit("ml").alias("amountuom"),
        pl.lit(50).alias("rate"),
        pl.lit("mL/hour").alias("rateuom"),
        pl.Series("orderid", order),
        pl.Series("linkorderid", order),
        pl.lit("FinishedRunning").alias("statusdescription"),
        pl.lit(0).alias("originalamount"),
        pl.lit(50).alias("originalrate"),
    )


def procedure_events(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Lines, one per ICU day at most."""
    frame, length = _per_day(rng, chunk, rate=0.5)
    count = frame.height
    order = rng.integers(100_000, 9_999_999, count)
    minutes = np.round(length * 60).astype(int)
    return frame.with_columns(
        pl.Series("itemid", rng.choice([224263, 224275], count)),
        pl.Series("value", minutes),
        pl.lit("min").alias("valueuom"),
        pl.Series("orderid", order),
        pl.Series("linkorderid", order),
        pl.lit("Invasive Lines").alias("ordercategoryname"),
        pl.lit("ContinuousProcess").alias("ordercategorydescription"),
        pl.lit(80).alias("patientweight"),
        pl.lit(1).alias("isopenbag"),
        pl.lit(0).alias("continueinnextdept"),
        pl.lit("FinishedRunning").alias("statusdescription"),
        pl.Series("ORIGINALAMOUNT", minutes),
        pl.lit(1).alias("ORIGINALRATE"),
    )


def datetime_events(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Dates of cap and tubing changes."""
    frame, _ = _per_day(rng, chunk, rate=0.5)
    return frame.with_columns(
        pl.Series("charttime", frame["starttime"]),
        pl.Series("itemid", rng.choice([225343, 225348], frame.height)),
        frame["starttime"].dt.truncate("1d").alias("value"),
        pl.lit("Date").alias("valueuom"),
        pl.lit(0).alias("warning"),
    ).drop("starttime", "endtime")


def _per_day(rng: np.random.Generator, chunk: Chunk, *, rate: float) -> tuple[pl.DataFrame, np.ndarray]:
    """About `rate` rows per ICU day with identifiers and times, and how many hours each lasts."""
    stays = chunk.stays
    count = rng.poisson(stays.los_hours / 24 * rate)
    stay = np.repeat(np.arange(len(count)), count)
    at = np.sort(rng.random(len(stay)) + stay) - stay  # in time order inside a stay
    start = (stays.intime[stay] + hours(at * stays.los_hours[stay])).astype("datetime64[m]")
    length = 0.5 + 4 * rng.random(len(stay))
    frame = pl.DataFrame(
        {
            "subject_id": chunk.subject_of_stay()[stay],
            "hadm_id": chunk.hadm_of_stay()[stay],
            "stay_id": stays.stay_id[stay],
            "caregiver_id": CAREGIVERS[rng.integers(0, len(CAREGIVERS), len(stay))],
            "starttime": milliseconds(start),
            "endtime": milliseconds((start.astype("datetime64[s]") + hours(length)).astype("datetime64[m]")),
            "storetime": milliseconds(start + np.timedelta64(7, "m")),
        }
    )
    return frame, length
