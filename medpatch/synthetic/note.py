"""mimic-iv-note/: radiology and discharge tables with their details."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from medpatch.config.name import Modality
from medpatch.synthetic.chunk import Chunk, hours, milliseconds
from medpatch.synthetic.evidence import draw_symbols, emissions
from medpatch.synthetic.plan import MORTALITY_HOURS
from medpatch.synthetic.state import draw_state, read_parameter
from medpatch.synthetic.wording import addendum_text, discharge_text, report_text

FIELDS = ("subject_id", "hadm_id", "note_type", "charttime", "storetime", "text")


@dataclass(frozen=True)
class NoteTables:
    """The two frames of a kind of note: the notes and their details."""

    note: pl.DataFrame
    detail: pl.DataFrame


LATE = 2
"""Number of the random stream that says which reports are stored late."""


def radiology(rng: np.random.Generator, chunk: Chunk, *, late: np.random.Generator) -> NoteTables:
    """Reports of the plan, addenda, and outpatient reports without hadm_id.

    Args:
        rng: of everything but late storing.
        chunk: whose reports.
        late: which reports are stored late and by how much; nothing else is drawn from it.
    """
    plan = chunk.plan
    subject, hadm = chunk.subject_of_stay(), chunk.hadm_of_stay()
    charttime = report_times(rng, chunk)
    names = [emission.symbol for emission in emissions(Modality.CXR)]
    rows, previous = [], -1
    for q, stay in enumerate(plan.report_stay.tolist()):
        is_chest = bool(plan.report_in_window[q]) and stay != previous
        previous = stay
        said = np.flatnonzero(plan.mention[stay]).tolist() if is_chest else []
        statements = [(names[f], bool(plan.finding[stay, f])) for f in said]
        text = report_text(rng, plan.rr_symbol[q], statements=statements, is_chest=is_chest)
        delay = hours(0.2 + 1.8 * rng.random())
        rows.append((subject[stay], hadm[stay], "RR", charttime[q], charttime[q] + delay, text))
        if rng.random() < 0.03:
            later = charttime[q] + hours(1.0 + 3 * rng.random())
            rows.append((subject[stay], hadm[stay], "AR", later, later + delay, addendum_text(rng)))
    for person in np.flatnonzero(rng.random(len(chunk.subjects.subject_id)) < 0.15).tolist():
        symbol = draw_symbols(rng, Modality.RR, state=draw_state(rng, 1))[0]
        time = _first_time(chunk, person) - hours(24 * (5 + 20 * rng.random()))
        text = report_text(rng, symbol, statements=[], is_chest=False)
        rows.append((chunk.subjects.subject_id[person], None, "RR", time, time + hours(2.0), text))
    tables = note_tables(rows, abbreviation="RR", details=("exam_name", "CHEST"))
    return NoteTables(stored_late(late, tables.note), tables.detail)


def stored_late(late: np.random.Generator, note: pl.DataFrame) -> pl.DataFrame:
    """The notes with a share of each type stored hours later, as `delay.csv` says; only storetime differs.

    Whether a note is late depends on nothing: not on the state of the stay, nor on what the note says.
    """
    chance, wait = late.random(note.height), late.random(note.height)
    hour = np.zeros(note.height)
    for row in read_parameter("delay"):
        least, most = float(row["least_hours"]), float(row["most_hours"])
        is_late = (note["note_type"].to_numpy() == row["note_type"]) & (chance < float(row["share"]))
        hour = np.where(is_late, least + (most - least) * wait, hour)
    delay = pl.Series("delay", hours(hour).astype("timedelta64[ms]"))
    return note.with_columns((pl.col("storetime") + delay).cast(note.schema["storetime"]).alias("storetime"))


def discharge(rng: np.random.Generator, chunk: Chunk) -> NoteTables:
    """One note per admission that has one; now and then an earlier draft. Its charttime is a date."""
    plan, admissions = chunk.plan, chunk.admissions
    rows = []
    ward = draw_state(rng, len(admissions.hadm_id))
    ward_symbol = draw_symbols(rng, Modality.DN, state=ward)
    for a, row in enumerate(admissions.plan_row.tolist()):
        has_note = plan.has_dn[row] if row >= 0 else rng.random() < 0.6
        if not has_note:
            continue
        symbol = plan.dn_symbol[row] if row >= 0 else ward_symbol[a]
        died = not np.isnat(admissions.deathtime[a])
        person = admissions.subject[a]
        charttime = admissions.dischtime[a].astype("datetime64[D]").astype("datetime64[s]")
        drafts = 2 if rng.random() < 0.03 else 1
        for back in range(drafts - 1, -1, -1):
            text = discharge_text(rng, symbol, died=died, is_female=bool(chunk.subjects.is_female[person]))
            delay = -5.0 if rng.random() < 0.01 else 8 + 40 * rng.random()  # now and then stored before its date
            time = charttime - hours(24.0 * back)
            key = (chunk.subjects.subject_id[person], admissions.hadm_id[a])
            rows.append((*key, "DS", time, time + hours(delay), text))
    return note_tables(rows, abbreviation="DS", details=("author", "___"))


def report_times(rng: np.random.Generator, chunk: Chunk) -> np.ndarray:
    """(Q,) charttime of every report of the plan, increasing inside the window of a stay.

    The report of an image follows it by minutes. Reports outside the window were written before the ICU or
    after 48 h, as the admission allows.
    """
    plan, stays = chunk.plan, chunk.stays
    stay, inside = plan.report_stay, plan.report_in_window
    limit = 0.8 * np.minimum(MORTALITY_HOURS, plan.los_hours)[stay]
    first = inside & np.concatenate([[True], stay[1:] != stay[:-1]]) if len(stay) else inside
    with_image = first & plan.has_cxr[stay]
    hour = np.where(with_image, plan.cxr_hour[stay] + 0.05, rng.random(len(stay)) * limit)
    before = (stays.intime[stay] - chunk.admissions.admittime[stays.admission[stay]]).astype(float) / 3600
    room = (chunk.admissions.dischtime[stays.admission[stay]] - stays.intime[stay]).astype(float) / 3600
    is_after = (room > MORTALITY_HOURS + 2) & (rng.random(len(stay)) < 0.6)
    after = MORTALITY_HOURS + 0.5 + rng.random(len(stay)) * np.maximum(room - MORTALITY_HOURS - 1, 0)
    outside = np.where(is_after, after, -0.9 * before * (0.1 + 0.9 * rng.random(len(stay))))
    return (stays.intime[stay] + hours(np.where(inside, hour, outside))).astype("datetime64[s]")


def note_tables(rows: list[tuple], *, abbreviation: str, details: tuple[str, str]) -> NoteTables:
    """Published columns of notes given as `FIELDS`, ordered by subject and charttime, numbered per subject."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(FIELDS)
    frame = pl.DataFrame(
        {
            "subject_id": pl.Series(columns[0], dtype=pl.Int64),
            "hadm_id": pl.Series(columns[1], dtype=pl.Int64),
            "note_type": pl.Series(columns[2], dtype=pl.String),
            "charttime": milliseconds(np.array(columns[3], dtype="datetime64[s]")),
            "storetime": milliseconds(np.array(columns[4], dtype="datetime64[s]")),
            "text": pl.Series(columns[5], dtype=pl.String),
        }
    ).sort("subject_id", "charttime", maintain_order=True)
    frame = frame.with_columns((pl.int_range(pl.len()).over("subject_id") + 2).alias("note_seq"))
    identity = pl.format("{}-{}-{}", "subject_id", pl.lit(abbreviation), "note_seq").alias("note_id")
    note = frame.with_columns(identity)
    name, value = details
    detail = note.select(
        "note_id", "subject_id", pl.lit(name).alias("field_name"), pl.lit(value).alias("field_value"),
        pl.lit(1).alias("field_ordinal"),
    )  # fmt: skip
    return NoteTables(note, detail)


def _first_time(chunk: Chunk, person: int) -> np.datetime64:
    """Admission time of a subject's first admission, or the start of the anchor year."""
    rows = np.flatnonzero(chunk.admissions.subject == person)
    if len(rows):
        return chunk.admissions.admittime[rows[0]]
    return np.datetime64(f"{chunk.subjects.anchor_year[person]}-01-15", "s")
