"""hosp/labevents: ordinary results only, never at an hour whose values carry evidence."""

import numpy as np
import polars as pl

from medpatch.synthetic.chart import free_hours
from medpatch.synthetic.chunk import Chunk, hours, milliseconds
from medpatch.synthetic.event import number_text
from medpatch.synthetic.identity import CHUNK_ROOM, SPECIMEN, provider_id

ROOM = 32 * CHUNK_ROOM
PANEL_RATE = 1 / 14
PANEL = {  # itemid -> mean, spread, decimals, unit, reference range
    50931: (122, 12, 0, "mg/dL", (70, 100)),
    50912: (1.1, 0.3, 1, "mg/dL", (0.4, 1.1)),
    50983: (139, 3, 0, "mEq/L", (133, 145)),
    50971: (4.1, 0.4, 1, "mEq/L", (3.3, 5.1)),
    51222: (10.6, 1.4, 1, "g/dL", (12.0, 16.0)),
    51301: (9.8, 3.0, 1, "K/uL", (4.0, 11.0)),
}
BLOOD_GAS = {
    50820: (7.39, 0.025, 2, "units", (7.35, 7.45)),
    50817: (97, 1, 0, "%", (None, None)),
    50809: (124, 14, 0, "mg/dL", (70, 105)),
    50813: (1.6, 0.5, 1, "mmol/L", (0.5, 2.0)),
}
URINE = {
    51491: (6.0, 0.6, 1, "units", (5.0, 8.0)),
    51478: (90, 20, 0, "mg/dL", (0, 0)),
}
FASTING = "IF FASTING, 70-100 NORMAL, >125 PROVISIONAL DIABETES."


def lab_events(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Rows of mimiciv/hosp/labevents: panels during and around the ICU stay, some without hadm_id."""
    admissions, stays = chunk.admissions, chunk.stays
    stay, hour = free_hours(rng, chunk, rate=PANEL_RATE)
    inside = stays.intime[stay] + hours(hour + 0.6)
    # two panels per admission before or after the ICU, wherever they fall
    around = np.repeat(np.arange(len(admissions.hadm_id)), 2)
    length = (admissions.dischtime - admissions.admittime).astype(float) / 3600
    outside = admissions.admittime[around] + hours(rng.choice([0.3, 0.98], len(around)) * length[around])
    outside = np.where(_in_stay(chunk, around, time=outside), admissions.admittime[around] + hours(0.2), outside)
    row = np.concatenate([stays.admission[stay], around])
    charttime = np.concatenate([inside, outside])
    frames = [
        _panel(rng, row, charttime=charttime, panel=PANEL, share=1.0),
        _panel(rng, row, charttime=charttime, panel=BLOOD_GAS, share=0.25),
        _panel(rng, row, charttime=charttime, panel=URINE, share=0.05),
    ]
    return _with_identity(rng, pl.concat(frames), chunk=chunk)


def _in_stay(chunk: Chunk, admission: np.ndarray, *, time: np.ndarray) -> np.ndarray:
    """(R,) bool, True where the time falls into an ICU stay of the admission."""
    inside = np.zeros(len(time), dtype=bool)
    count = len(chunk.admissions.hadm_id)
    for part in (slice(0, chunk.plan.count), slice(chunk.plan.count, None)):
        start, end = np.full(count, np.datetime64("NaT", "s")), np.full(count, np.datetime64("NaT", "s"))
        start[chunk.stays.admission[part]] = chunk.stays.intime[part]
        end[chunk.stays.admission[part]] = chunk.stays.outtime[part]
        inside |= (time >= start[admission]) & (time <= end[admission])
    return inside


def _panel(
    rng: np.random.Generator, row: np.ndarray, *, charttime: np.ndarray, panel: dict, share: float
) -> pl.DataFrame:
    """One row per item and draw, for a share of the draws; text and number agree except where MIMIC's do not."""
    specimen = np.flatnonzero(rng.random(len(row)) < share)
    row, charttime = row[specimen], charttime[specimen]
    frames = []
    for itemid, (mean, spread, decimals, unit, (low, high)) in panel.items():
        number = np.round(rng.normal(mean, spread, len(row)).clip(mean - 3 * spread, mean + 3 * spread), decimals)
        frame = pl.DataFrame(
            {
                "row": row,
                "charttime": milliseconds(charttime),
                "specimen": specimen,
                "itemid": itemid,
                "number": number,
                "odd": rng.random(len(row)),
            }
        )
        is_hidden = pl.lit(itemid == 50931) | (pl.lit(itemid == 50820) & (pl.col("odd") < 0.13))
        text = number_text(pl.col("number"))
        value = pl.when(is_hidden).then(pl.lit("___")).otherwise(text)
        if itemid == 51478:  # urine glucose is mostly a word
            value = pl.when(pl.col("odd") < 0.7).then(pl.lit("NEG")).otherwise(text)
        frames.append(
            frame.select(
                "row",
                "charttime",
                "specimen",
                pl.col("itemid").cast(pl.Int64),
                value.alias("value"),
                pl.when(value == "NEG").then(None).otherwise(text).alias("valuenum"),
                pl.lit(unit).alias("valueuom"),
                pl.lit(None if low is None else f"{low:g}", dtype=pl.String).alias("ref_range_lower"),
                pl.lit(None if high is None else f"{high:g}", dtype=pl.String).alias("ref_range_upper"),
                pl.when((pl.col("number") < (low or -1e9)) | (pl.col("number") > (high or 1e9)))
                .then(pl.lit("abnormal"))
                .alias("flag"),
                pl.lit(FASTING if itemid == 50931 else None, dtype=pl.String).alias("comments"),
            )
        )
    return pl.concat(frames)


def _with_identity(rng: np.random.Generator, rows: pl.DataFrame, *, chunk: Chunk) -> pl.DataFrame:
    rows = rows.sort("row", "charttime", "specimen", "itemid", maintain_order=True)
    row, count = rows["row"].to_numpy(), rows.height
    admissions = chunk.admissions
    specimen = rows["specimen"].to_numpy()
    has_hadm = (rng.random(specimen.max(initial=0) + 1) >= 0.08)[specimen]
    subject = chunk.subjects.subject_id[admissions.subject[row]]
    delay = np.where(rng.random(count) < 0.02, -5, rng.integers(15, 150, count)).astype("timedelta64[m]")
    return rows.drop("row", "specimen").with_columns(
        pl.Series("labevent_id", chunk.number * ROOM + np.arange(1, count + 1)),
        pl.Series("subject_id", subject),
        pl.when(pl.Series(has_hadm)).then(pl.Series(admissions.hadm_id[row])).alias("hadm_id"),
        pl.Series("specimen_id", SPECIMEN + specimen + chunk.number * ROOM),
        pl.Series("order_provider_id", provider_id(rng, count)),
        pl.Series("storetime", rows["charttime"].to_numpy() + delay),
        pl.Series("priority", rng.choice(["STAT", "ROUTINE"], count)),
    )
