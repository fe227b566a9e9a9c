"""Every count of people or stays that a report prints, and the sums between its tables: input of the suppression.

A count is named (measure, column, row): ("stays", "test", "Sex: Female"). The column "judged" holds the test stays
that were predicted, its rows are the subsets of `ModelResult`: "all", "cxr", "Sex: Female", "Modalities: EHR + CXR".
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medpatch.config.name import Split
from medpatch.contract.confidence import ConfidenceReport
from medpatch.evaluate.cohort_count import ALL, OTHER_UNIT, UNIT, CohortCount
from medpatch.evaluate.figure_cohort import AttritionStep
from medpatch.evaluate.name import PHENOTYPE_GROUP, UNIMODAL_PREFIX, Group, is_unimodal
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.stay import StayFacts, combinations
from medpatch.evaluate.suppress import Ledger

JUDGED, STAYS, POSITIVES, PATIENTS = "judged", "stays", "positives", "patients"
COMBINATION = "Modalities"
PEOPLE = frozenset({"icustays", "admissions", "patients"})
"""Sources of the row account whose rows are stays, admissions or people; others are measurements and texts."""


def census(
    prediction: SplitPrediction,
    facts: StayFacts,
    *,
    cohort: CohortCount | None,
    steps: Sequence[AttritionStep],
    account: Sequence[Mapping[str, object]] = (),
    confidence: Sequence[ConfidenceReport] = (),
    smallest: int,
) -> Ledger:
    """Every count that the tables, pictures and files of one report print, for `protect`.

    Args:
        prediction: of the judged stays.
        facts: of the same stays.
        cohort: counts of table 1.
        steps: of the cohort's flow chart.
        account: rows of the row account: source, rule, rows_in, rows_kept.
        confidence: their stays of validation.
        smallest: counts from 1 to below this are hidden.
    """
    ledger = Ledger(smallest)
    _judged(ledger, prediction, facts=facts)
    if cohort is not None:
        _table_one(ledger, cohort)
        _join(ledger, cohort)
    _attrition(ledger, steps, cohort=cohort)
    _account(ledger, account)
    for report in {one.modality: one for one in confidence}.values():  # seeds hold out the same stays
        ledger.add(held_out(report.modality), report.stays)
        whole = (STAYS, str(Split.VAL), f"Has {report.modality.upper()}")
        if whole in ledger.value:
            ledger.part(whole, [held_out(report.modality)])
    return ledger


def held_out(modality: str) -> tuple[str, str, str]:
    """Validation stays whose tokens were measured."""
    return STAYS, "held out", f"Has {modality.upper()}"


def available(model: str) -> tuple[str, str, str]:
    """Judged stays for which the model has an input; for a single modality those of its own subset."""
    return STAYS, JUDGED, model.removeprefix(UNIMODAL_PREFIX) if is_unimodal(model) else f"input of {model}"


def having(modality: str) -> tuple[str, str, str]:
    """Judged stays that have a modality to lose."""
    return STAYS, JUDGED, f"Has {modality.upper()}"


def positives_of(label: str) -> tuple[str, str, str]:
    """Positive judged stays of one label, or pairs of a group of labels."""
    return POSITIVES, JUDGED, f"Label: {label}"


def _judged(ledger: Ledger, prediction: SplitPrediction, *, facts: StayFacts) -> None:
    """All stays, groups, combinations, each modality's own stays; stays and positive stay-label pairs."""
    label, names = prediction.label > 0, prediction.label_names
    everyone = np.ones(len(label), bool)
    _subset(ledger, ALL, rows=everyone, label=label)
    ledger.dear |= {(STAYS, JUDGED, ALL), (POSITIVES, JUDGED, ALL)}
    ledger.add((PATIENTS, JUDGED, ALL), len(np.unique(prediction.subject_id)))
    for k, name in enumerate(names):
        ledger.add(positives_of(name), int(label[:, k].sum()))
        ledger.part((STAYS, JUDGED, ALL), [positives_of(name)])
    ledger.part((POSITIVES, JUDGED, ALL), [positives_of(name) for name in names])
    if all(name in PHENOTYPE_GROUP for name in names):
        for group in Group:
            mine = [positives_of(name) for name in names if PHENOTYPE_GROUP[name] is group]
            ledger.add(positives_of(str(group)), sum(ledger.value[key] for key in mine))
            ledger.part(positives_of(str(group)), mine)
    for variable, group in facts.subgroup.items():
        _partition(ledger, variable, group, label=label)
    if facts.presence:
        sets = combinations(facts.presence)
        _partition(ledger, COMBINATION, sets, label=label)
        for modality, is_here in facts.presence.items():
            row = having(str(modality))[2]
            _subset(ledger, row, rows=is_here, label=label)
            _within(ledger, ALL, row)
            sets_with = [f"{COMBINATION}: {name}" for name in np.unique(sets[is_here]).tolist()]
            for measure in (STAYS, POSITIVES):
                ledger.part((measure, JUDGED, row), [(measure, JUDGED, one) for one in sets_with])
    for model, found in prediction.models.items():
        if is_unimodal(model):
            row = model.removeprefix(UNIMODAL_PREFIX)
            _subset(ledger, row, rows=found.is_available, label=label)
            _within(ledger, ALL, row)
            if having(row) in ledger.value:
                _within(ledger, having(row)[2], row)
        else:
            ledger.add(available(model), int(found.is_available.sum()))
            ledger.part((STAYS, JUDGED, ALL), [available(model)])


def _partition(ledger: Ledger, variable: str, group: NDArray[np.str_], *, label: NDArray[np.bool_]) -> None:
    rows = [f"{variable}: {name}" for name in np.unique(group).tolist()]
    for row in rows:
        _subset(ledger, row, rows=group == row.removeprefix(f"{variable}: "), label=label)
    for measure in (STAYS, POSITIVES):
        ledger.part((measure, JUDGED, ALL), [(measure, JUDGED, row) for row in rows])


def _subset(ledger: Ledger, row: str, *, rows: NDArray[np.bool_], label: NDArray[np.bool_]) -> None:
    ledger.add((STAYS, JUDGED, row), int(rows.sum()))
    ledger.add((POSITIVES, JUDGED, row), int(label[rows].sum()))
    # what is left are the negatives, which are as much a count as the positives
    ledger.part((STAYS, JUDGED, row), [(POSITIVES, JUDGED, row)], times=label.shape[1])


def _within(ledger: Ledger, whole: str, row: str) -> None:
    for measure in (STAYS, POSITIVES):
        ledger.part((measure, JUDGED, whole), [(measure, JUDGED, row)])


def _table_one(ledger: Ledger, cohort: CohortCount) -> None:
    splits = [name for name in cohort.stays if name != ALL]
    for column in cohort.stays:
        ledger.add((STAYS, column, ALL), cohort.stays[column], is_dear=True)
        ledger.add((PATIENTS, column, ALL), cohort.patients[column], is_dear=True)
    for row, counts in cohort.groups.items():
        for column, value in counts.items():
            ledger.add((STAYS, column, row), value)
    for variable in ("Sex: ", "Race group: ", f"{UNIT}: "):
        rows = [row for row in cohort.groups if row.startswith(variable)]
        for column in cohort.stays if rows else ():
            ledger.part((STAYS, column, ALL), [(STAYS, column, row) for row in rows])
    for row in (ALL, *cohort.groups):
        ledger.part((STAYS, ALL, row), [(STAYS, split, row) for split in splits])
        if row.startswith(("Has ", "Label: ")):
            for column in cohort.stays:
                ledger.part((STAYS, column, ALL), [(STAYS, column, row)])
    ledger.part((PATIENTS, ALL, ALL), [(PATIENTS, split, ALL) for split in splits])


def _join(ledger: Ledger, cohort: CohortCount) -> None:
    """The test column of table 1 and the judged stays are the same people but for those that were not predicted."""
    test = str(Split.TEST)
    ledger.part((STAYS, test, ALL), [(STAYS, JUDGED, ALL)])
    ledger.part((PATIENTS, test, ALL), [(PATIENTS, JUDGED, ALL)])
    for row in cohort.groups:
        if row == OTHER_UNIT:
            own = [k for k in ledger.value if k[:2] == (STAYS, JUDGED) and k[2].startswith(f"{UNIT}: ")]
            parts = [key for key in own if key[2] not in cohort.groups]
        elif row.startswith("Label: "):
            parts = [(POSITIVES, JUDGED, row)]
        else:
            parts = [(STAYS, JUDGED, row)]
        if parts and all(key in ledger.value for key in parts):
            ledger.part((STAYS, test, row), parts)


def _attrition(ledger: Ledger, steps: Sequence[AttritionStep], *, cohort: CohortCount | None) -> None:
    for place, step in enumerate(steps):
        ledger.add((STAYS, "left", place), step.stays_left)
        ledger.add((PATIENTS, "left", place), step.subjects_left)
        ledger.add((STAYS, "lost", place), step.stays_lost)
        if place:
            ledger.part((STAYS, "left", place - 1), [(STAYS, "left", place), (STAYS, "lost", place)])
            ledger.part((PATIENTS, "left", place - 1), [(PATIENTS, "left", place)])
    if steps and cohort is not None:
        for measure in (STAYS, PATIENTS):
            ledger.part((measure, "left", len(steps) - 1), [(measure, ALL, ALL)])
    ledger.dear |= {(m, "left", place) for m in (STAYS, PATIENTS) for place in (0, len(steps) - 1) if steps}


def _account(ledger: Ledger, account: Sequence[Mapping[str, object]]) -> None:
    last: dict[str, tuple] = {}
    left = {v: k for k, v in ledger.value.items() if k[:2] == (STAYS, "left")}
    for place, row in enumerate(account):
        source = str(row["source"])
        if source not in PEOPLE:
            continue
        into, kept = ("rows in", source, place), ("rows kept", source, place)
        ledger.add(into, int(row["rows_in"]))
        ledger.add(kept, int(row["rows_kept"]))
        ledger.part(into, [kept])
        if source in last:
            ledger.part(last[source], [into])
        last[source] = kept
        for key in (into, kept):
            if source == "icustays" and (same := left.get(ledger.value[key])):
                ledger.part(same, [key])
