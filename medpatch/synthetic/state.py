"""The hidden state of a stay: severity, 25 conditions, death; and how it is drawn."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from medpatch.config.name import PHENOTYPES

PARAMETER_DIR = Path(__file__).parent / "parameter"
SEVERITY = "severity"
DEATH = "death"


def read_parameter(name: str) -> list[dict[str, str]]:
    """Rows of `parameter/<name>.csv` as text."""
    with (PARAMETER_DIR / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class StateModel:
    """Probabilities of the hidden nodes; S severity levels, K conditions.

    Attributes:
        severity: (S,) prior of each level.
        condition: (S, K) probability of each condition given the level.
        death: (S,) probability of dying in hospital given the level.
    """

    severity: np.ndarray
    condition: np.ndarray
    death: np.ndarray

    @property
    def levels(self) -> int:
        """S."""
        return len(self.severity)


@dataclass(frozen=True)
class PresenceModel:
    """Probabilities, given the severity level, of what is visible about how long and how closely one was watched.

    Attributes:
        long_stay: (S,) that the ICU stay lasts at least 48 h.
        cxr: (S, 2) that a frontal AP image was taken in the window; columns short stay, long stay.
        rr: (S,) that a report was written in the first 48 h.
        dn: (S,) that there is a discharge note.
    """

    long_stay: np.ndarray
    cxr: np.ndarray
    rr: np.ndarray
    dn: np.ndarray


@dataclass(frozen=True)
class State:
    """Hidden state of N stays.

    Attributes:
        severity: (N,) int level.
        condition: (N, K) bool.
        death: (N,) bool, dies in this hospital admission.
    """

    severity: np.ndarray
    condition: np.ndarray
    death: np.ndarray

    def take(self, rows: np.ndarray) -> "State":
        """The stays at `rows` (indices or a mask)."""
        return State(self.severity[rows], self.condition[rows], self.death[rows])


@cache
def state_model() -> StateModel:
    """The model of docs/generative_model.md, from parameter/severity.csv and parameter/condition.csv."""
    levels = read_parameter("severity")
    severity = np.array([float(row["share"]) for row in levels])
    by_name = {row["name"]: row for row in read_parameter("condition")}
    offset = np.arange(len(severity)) - severity @ np.arange(len(severity))  # centred level
    columns = [
        _logistic_column(float(by_name[name]["prevalence"]), float(by_name[name]["slope"]) * offset, share=severity)
        for name in PHENOTYPES
    ]
    death = np.array([float(row["death"]) for row in levels])
    return StateModel(severity, np.stack(columns, axis=1), death)


@cache
def presence_model() -> PresenceModel:
    """Columns of parameter/severity.csv."""
    table = {
        name: np.array([float(row[name]) for row in read_parameter("severity")])
        for name in ("long_stay", "cxr_short", "cxr_long", "rr", "dn")
    }
    return PresenceModel(
        long_stay=table["long_stay"],
        cxr=np.stack([table["cxr_short"], table["cxr_long"]], axis=1),
        rr=table["rr"],
        dn=table["dn"],
    )


def draw_state(rng: np.random.Generator, count: int) -> State:
    """`count` independent stays from the model."""
    model = state_model()
    severity = rng.choice(model.levels, size=count, p=model.severity)
    condition = rng.random((count, model.condition.shape[1])) < model.condition[severity]
    death = rng.random(count) < model.death[severity]
    return State(severity, condition, death)


def _logistic_column(prevalence: float, slope_term: np.ndarray, *, share: np.ndarray) -> np.ndarray:
    """Logistic probabilities per level whose mean over the levels is `prevalence`; bisection on the intercept."""
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        probability = 1 / (1 + np.exp(-(middle + slope_term)))
        low, high = (middle, high) if share @ probability < prevalence else (low, middle)
    return probability
