"""Patients of an existing MIMIC-IV folder in the shape of made-up chunks, so that one code writes both."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from medpatch.config.error import RawDataError
from medpatch.config.name import PHENOTYPES
from medpatch.synthetic.chunk import Admissions, Chunk, Stays, Subjects
from medpatch.synthetic.evidence import Evidence
from medpatch.synthetic.identity import CHUNK_SUBJECTS
from medpatch.synthetic.oracle import posterior
from medpatch.synthetic.plan import draw_plan
from medpatch.synthetic.state import State, read_parameter, state_model

NEEDED = {
    "hosp/patients": ("subject_id", "gender"),
    "hosp/admissions": ("subject_id", "hadm_id", "admittime", "dischtime", "hospital_expire_flag"),
    "hosp/diagnoses_icd": ("hadm_id", "icd_code", "icd_version"),
    "icu/icustays": ("subject_id", "hadm_id", "stay_id", "first_careunit", "last_careunit", "intime", "outtime"),
}
CERTAIN = 60.0
TIMES = ("admittime", "dischtime", "intime", "outtime")


def existing_chunks(raw_dir: Path, seed: int) -> Iterator[tuple[Chunk, int, int]]:
    """Chunks of the folder's ICU patients, each with (stays done, stays) after it.

    One stay per admission gets images and notes: the first that stayed in one unit. Conditions are read off
    its diagnosis codes, death off hospital_expire_flag, and a severity is drawn that goes with them.

    Raises:
        RawDataError: a table or column is missing or unreadable.
    """
    tables = {name: _read(raw_dir, name) for name in NEEDED}
    stays = tables["icu/icustays"].join(tables["hosp/admissions"].drop("subject_id"), on="hadm_id")
    stays = stays.join(tables["hosp/patients"], on="subject_id").drop_nulls(list(TIMES))
    stays = stays.with_columns((pl.col("first_careunit") != pl.col("last_careunit")).alias("has_moved"))
    stays = stays.sort("subject_id", "hadm_id", "has_moved", "intime", "stay_id")
    stays = stays.unique("hadm_id", keep="first", maintain_order=True).sort("subject_id", "intime")
    if stays.is_empty():
        raise RawDataError(f"{raw_dir}: no ICU stay has an admission and a patient; is it a MIMIC-IV folder?")
    codes = tables["hosp/diagnoses_icd"].join(_condition_codes(), on=["code", "icd_version"])
    subjects = stays["subject_id"].unique(maintain_order=True)
    done = 0
    for number, start in enumerate(range(0, len(subjects), CHUNK_SUBJECTS)):
        part = stays.filter(pl.col("subject_id").is_in(subjects[start : start + CHUNK_SUBJECTS].implode()))
        done += part.height
        yield _chunk(np.random.default_rng([seed, number, 0]), number, rows=part, codes=codes), done, stays.height


def _chunk(rng: np.random.Generator, number: int, *, rows: pl.DataFrame, codes: pl.DataFrame) -> Chunk:
    count = rows.height
    time = {name: rows[name].to_numpy().astype("datetime64[s]") for name in TIMES}
    condition = np.zeros((count, len(PHENOTYPES)), dtype=bool)
    hits = rows.select("hadm_id").with_row_index("row").join(codes, on="hadm_id")
    condition[hits["row"].to_numpy(), hits["condition"].to_numpy()] = True
    death = rows["hospital_expire_flag"].to_numpy() == 1
    state = State(_severity_of(rng, condition, death=death), condition, death)
    los = np.maximum((time["outtime"] - time["intime"]).astype(float) / 3600, 1.0)
    people, subject = np.unique(rows["subject_id"].to_numpy(), return_inverse=True)
    first = np.searchsorted(subject, np.arange(len(people)))
    return Chunk(
        number=number,
        plan=draw_plan(rng, count, state=state, los_hours=los),
        subjects=Subjects(
            subject_id=people,
            is_female=(rows["gender"] == "F").to_numpy()[first],
            anchor_age=np.full(len(people), 0),
            anchor_year=time["admittime"][first].astype("datetime64[Y]").astype(int) + 1970,
            dod=np.full(len(people), np.datetime64("NaT", "D")),
        ),
        admissions=Admissions(
            subject=subject,
            hadm_id=rows["hadm_id"].to_numpy(),
            admittime=np.minimum(time["admittime"], time["intime"] - np.timedelta64(30, "m")),
            dischtime=time["dischtime"],
            deathtime=np.where(death, time["dischtime"], np.datetime64("NaT", "s")),
            plan_row=np.arange(count),
        ),
        stays=Stays(
            admission=np.arange(count),
            stay_id=rows["stay_id"].to_numpy(),
            intime=time["intime"],
            outtime=time["outtime"],
            los_hours=los,
            first_unit=np.zeros(count, dtype=int),
            last_unit=np.zeros(count, dtype=int),
            is_faithful=np.zeros(count, dtype=bool),
        ),
    )


def _severity_of(rng: np.random.Generator, condition: np.ndarray, *, death: np.ndarray) -> np.ndarray:
    """(N,) levels drawn given the conditions and the outcome."""
    known = np.stack([-CERTAIN * condition, -CERTAIN * ~condition], axis=2)
    outcome = np.stack([-CERTAIN * death, -CERTAIN * ~death], axis=1)
    levels = state_model().levels
    evidence = Evidence(np.zeros((len(death), levels)), known, outcome)
    chance = posterior(state_model(), evidence, log_visible=np.zeros((len(death), levels))).severity
    return np.minimum((chance.cumsum(axis=1) < rng.random((len(death), 1))).sum(axis=1), levels - 1)


def _condition_codes() -> pl.DataFrame:
    """First four characters of a code and its version -> row in PHENOTYPES.

    Coarser than the published code lists: enough for notes that go with a patient, not for labels.
    """
    rows = [row for row in read_parameter("diagnosis") if row["name"]]
    frame = pl.DataFrame(
        {
            "code": [row["icd_code"][:4] for row in rows],
            "icd_version": [int(row["icd_version"]) for row in rows],
            "condition": [PHENOTYPES.index(row["name"]) for row in rows],
        }
    )
    return frame.unique(maintain_order=True)


def _read(raw_dir: Path, name: str) -> pl.DataFrame:
    """The needed columns of a .csv.gz or .csv table, typed."""
    path = next((p for p in (raw_dir / f"{name}.csv.gz", raw_dir / f"{name}.csv") if p.is_file()), None)
    if path is None:
        raise RawDataError(f"{raw_dir}: {name}.csv.gz is missing; name the folder that holds hosp/ and icu/")
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RawDataError(f"{path}: not a readable table ({type(error).__name__}); download it again") from error
    missing = [column for column in NEEDED[name] if column not in frame.columns]
    if missing:
        raise RawDataError(f"{path}: no column {', '.join(missing)}; MIMIC-IV 2.2 or 3.1 has it")
    frame = frame.select(NEEDED[name])
    numbers = [c for c in frame.columns if c.endswith("_id") or c in ("icd_version", "hospital_expire_flag")]
    frame = frame.with_columns(
        pl.col(numbers).cast(pl.Int64),
        pl.col([c for c in frame.columns if c in TIMES]).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ms"),
    )
    if "icd_code" in frame.columns:
        frame = frame.with_columns(pl.col("icd_code").str.strip_chars().str.slice(0, 4).alias("code"))
    return frame
