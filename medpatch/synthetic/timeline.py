"""When everything happens: draws the subjects, admissions and ICU stays of one chunk."""

import numpy as np

from medpatch.synthetic.chunk import NO_PLAN, NO_TIME, UNITS, Admissions, Chunk, Stays, Subjects, hours
from medpatch.synthetic.identity import HADM, STAY, SUBJECT, SUBJECT_ROOM, identifiers
from medpatch.synthetic.plan import draw_plan
from medpatch.synthetic.state import draw_state


def draw_chunk(rng: np.random.Generator, number: int, *, count: int) -> Chunk:
    """The `number`-th chunk, with `count` subjects."""
    visits = np.minimum(rng.geometric(0.84, count), 4) * (rng.random(count) >= 0.02)  # 2 %: never in an ICU
    subject = np.repeat(np.arange(count), visits)
    state = draw_state(rng, len(subject))
    alive = ~_died_before(subject, state.death)
    subject, state = subject[alive], state.take(alive)
    plan = draw_plan(rng, len(subject), state=state)

    gap = 1.5 + rng.exponential(9.0, plan.count)  # hours on the ward before the ICU
    dies_in_icu = state.death & (rng.random(plan.count) < 0.65)
    ward = np.where(dies_in_icu, 0.0, 4 + rng.exponential(90.0, plan.count))
    has_second = ~state.death & (rng.random(plan.count) < 0.06)
    second_gap, second_los = 6 + 40 * rng.random(plan.count), 11 + rng.exponential(30.0, plan.count)
    ward = np.where(has_second, ward + second_gap + second_los, ward)

    is_ward = rng.random(count) < np.where(visits == 0, 1.0, 0.15)  # an admission without the ICU, first of all
    anchor_year = rng.integers(2110, 2190, count)
    start = (anchor_year - 1970).astype("datetime64[Y]").astype("datetime64[s]")
    start = start + np.round(rng.random(count) * 8000 * 60).astype("timedelta64[m]")
    ward_start = start - np.round(1440 * (30 + 300 * rng.random(count))).astype("timedelta64[m]")
    ward_end = np.round(60 * (20 + 90 * rng.random(count))).astype("timedelta64[m]")
    admittime = start[subject] + _since_first(rng, subject, duration=gap + plan.los_hours + ward)
    admittime = admittime.astype("datetime64[m]").astype("datetime64[s]")
    # the first full hour after intime is `phase_hours` away, so that charting falls on full hours
    intime = (admittime + hours(gap)).astype("datetime64[h]").astype("datetime64[s]") + hours(1 - plan.phase_hours)
    outtime = intime + hours(plan.los_hours)
    dischtime = (outtime + hours(ward)).astype("datetime64[m]").astype("datetime64[s]")
    deathtime = np.where(state.death, np.where(dies_in_icu, outtime - hours(0.05), dischtime), NO_TIME)
    dischtime = _write_midnight(rng, dischtime, deathtime=deathtime, admittime=admittime)

    extra = np.flatnonzero(is_ward)
    order = np.lexsort((np.concatenate([ward_start[extra], admittime]), np.concatenate([extra, subject])))
    plan_row = np.concatenate([np.full(len(extra), NO_PLAN), np.arange(plan.count)])[order]
    admissions = Admissions(
        subject=np.concatenate([extra, subject])[order],
        hadm_id=identifiers(HADM, number, count=len(order)),
        admittime=np.concatenate([ward_start[extra], admittime])[order],
        dischtime=np.concatenate([(ward_start + ward_end)[extra], dischtime])[order],
        deathtime=np.concatenate([np.full(len(extra), NO_TIME), deathtime])[order],
        plan_row=plan_row,
    )
    row_of_plan = np.empty(plan.count, dtype=int)
    row_of_plan[plan_row[plan_row >= 0]] = np.flatnonzero(plan_row >= 0)
    stays = _stays(
        rng,
        number,
        admission=row_of_plan,
        intime=intime,
        los=plan.los_hours,
        second=np.flatnonzero(has_second),
        second_gap=second_gap,
        second_los=second_los,
    )
    last_discharge = np.full(count, NO_TIME)
    last_discharge[admissions.subject] = admissions.dischtime  # in time order: the last one stays
    return Chunk(
        number,
        plan,
        _subjects(
            rng,
            number,
            anchor_year=anchor_year,
            last_discharge=last_discharge,
            died=(admissions.subject, admissions.deathtime),
        ),
        admissions,
        stays,
    )


def _died_before(subject: np.ndarray, death: np.ndarray) -> np.ndarray:
    """(V,) bool: an earlier visit of the same subject ended in death."""
    deaths_before = np.cumsum(death) - death
    first = np.searchsorted(subject, subject)
    return deaths_before > deaths_before[first]


def _since_first(rng: np.random.Generator, subject: np.ndarray, *, duration: np.ndarray) -> np.ndarray:
    """Time from a subject's first admission to each, 20 to 400 days between discharge and the next."""
    step = duration + 24 * (20 + 380 * rng.random(len(subject)))
    total = np.cumsum(step) - step
    return hours(total - total[np.searchsorted(subject, subject)])


def _write_midnight(
    rng: np.random.Generator, dischtime: np.ndarray, *, deathtime: np.ndarray, admittime: np.ndarray
) -> np.ndarray:
    """Discharge times of the dead: mostly the death itself, in 3 of 10 the midnight before it, as MIMIC has it."""
    dead = ~np.isnat(deathtime)
    midnight = deathtime.astype("datetime64[D]").astype("datetime64[s]")
    use = dead & (rng.random(len(dead)) < 0.3) & (midnight > admittime)
    return np.where(use, midnight, np.where(dead, np.maximum(dischtime, deathtime), dischtime))


def _stays(
    rng: np.random.Generator,
    number: int,
    *,
    admission: np.ndarray,
    intime: np.ndarray,
    los: np.ndarray,
    second: np.ndarray,
    second_gap: np.ndarray,
    second_los: np.ndarray,
) -> Stays:
    first_unit = rng.integers(0, len(UNITS), len(intime))
    moved = (first_unit + rng.integers(1, len(UNITS), len(intime))) % len(UNITS)
    last_unit = np.where(rng.random(len(intime)) < 0.08, moved, first_unit)
    outtime = intime + hours(los)
    is_reversed = rng.random(len(intime)) < 0.001  # 65 of 73,000 in MIMIC-IV
    # a second stay in one unit after a moved first one would be a cohort stay of its own, without a plan
    second_changes = (rng.random(len(second)) < 0.5) | (first_unit != last_unit)[second]
    is_faithful = ~is_reversed & (first_unit == last_unit)
    is_faithful[second[~second_changes]] = False  # two unmoved stays in one admission: both leave the cohort
    second_in = outtime[second] + hours(second_gap[second])
    all_in = np.concatenate([intime, second_in])
    all_los = np.concatenate([los, second_los[second]])
    return Stays(
        admission=np.concatenate([admission, admission[second]]),
        stay_id=identifiers(STAY, number, count=len(all_in)),
        intime=all_in,
        outtime=np.concatenate(
            [np.where(is_reversed, intime - hours(0.4), outtime), second_in + hours(second_los[second])]
        ),
        los_hours=all_los,
        first_unit=np.concatenate([first_unit, first_unit[second]]),
        last_unit=np.concatenate([last_unit, np.where(second_changes, moved[second], first_unit[second])]),
        is_faithful=np.concatenate([is_faithful, np.zeros(len(second), dtype=bool)]),
    )


def _subjects(
    rng: np.random.Generator,
    number: int,
    *,
    anchor_year: np.ndarray,
    last_discharge: np.ndarray,
    died: tuple[np.ndarray, np.ndarray],
) -> Subjects:
    count = len(anchor_year)
    dod = np.full(count, np.datetime64("NaT", "D"))
    later = (rng.random(count) < 0.12) & ~np.isnat(last_discharge)
    after = last_discharge.astype("datetime64[D]") + rng.integers(2, 365, count).astype("timedelta64[D]")
    dod[later] = after[later]
    subject, deathtime = died
    dead = ~np.isnat(deathtime)
    dod[subject[dead]] = deathtime[dead].astype("datetime64[D]")
    age = np.clip(np.round(rng.normal(64, 16, count)), 18, 91).astype(int)
    return Subjects(
        subject_id=identifiers(SUBJECT, number, count=count, room=SUBJECT_ROOM),
        is_female=rng.random(count) < 0.44,
        anchor_age=np.where(age > 89, 91, age),
        anchor_year=anchor_year,
        dod=dod,
    )
