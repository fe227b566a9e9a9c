"""What one chunk consists of: subjects, admissions and ICU stays with their times, and the plan."""

from dataclasses import dataclass

import numpy as np

from medpatch.synthetic.plan import Plan

UNITS = (
    "Medical Intensive Care Unit (MICU)",
    "Surgical Intensive Care Unit (SICU)",
    "Medical/Surgical Intensive Care Unit (MICU/SICU)",
    "Cardiac Vascular Intensive Care Unit (CVICU)",
    "Coronary Care Unit (CCU)",
    "Trauma SICU (TSICU)",
    "Neuro Surgical Intensive Care Unit (Neuro SICU)",
)
NO_TIME = np.datetime64("NaT", "s")
NO_PLAN = -1


@dataclass(frozen=True)
class Subjects:
    """People of a chunk; `dod` is a date or NaT."""

    subject_id: np.ndarray
    is_female: np.ndarray
    anchor_age: np.ndarray
    anchor_year: np.ndarray
    dod: np.ndarray


@dataclass(frozen=True)
class Admissions:
    """Hospital admissions in order of subject and time.

    Attributes:
        subject: (A,) row in Subjects.
        hadm_id, admittime, dischtime, deathtime: (A,); deathtime NaT for survivors.
        plan_row: (A,) row of the plan, NO_PLAN for admissions without intensive care.
    """

    subject: np.ndarray
    hadm_id: np.ndarray
    admittime: np.ndarray
    dischtime: np.ndarray
    deathtime: np.ndarray
    plan_row: np.ndarray


@dataclass(frozen=True)
class Stays:
    """ICU stays: first the N index stays, one per plan row, then further stays of the same admissions.

    Attributes:
        admission: (I,) row in Admissions.
        stay_id, intime, outtime: (I,).
        los_hours: (I,) time really spent; `outtime` is before `intime` in a few stays, by mistake.
        first_unit, last_unit: (I,) row in UNITS.
        is_faithful: (I,) True where an extraction sees exactly the plan.
    """

    admission: np.ndarray
    stay_id: np.ndarray
    intime: np.ndarray
    outtime: np.ndarray
    los_hours: np.ndarray
    first_unit: np.ndarray
    last_unit: np.ndarray
    is_faithful: np.ndarray


@dataclass(frozen=True)
class Chunk:
    """One chunk: `plan` row i is admission with plan_row i and index stay i."""

    number: int
    plan: Plan
    subjects: Subjects
    admissions: Admissions
    stays: Stays

    def subject_of_stay(self) -> np.ndarray:
        """(I,) subject_id."""
        return self.subjects.subject_id[self.admissions.subject[self.stays.admission]]

    def hadm_of_stay(self) -> np.ndarray:
        """(I,) hadm_id."""
        return self.admissions.hadm_id[self.stays.admission]


def hours(value: np.ndarray) -> np.ndarray:
    """Hours as timedelta64[s]."""
    return np.round(np.asarray(value) * 3600).astype("timedelta64[s]")


def milliseconds(value: np.ndarray) -> np.ndarray:
    """Times as polars takes them."""
    return np.asarray(value).astype("datetime64[ms]")
