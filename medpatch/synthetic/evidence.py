"""Symbols: what a hidden node makes visible, and the log-likelihood of what was seen."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from medpatch.config.name import PHENOTYPES, Modality
from medpatch.synthetic.state import DEATH, SEVERITY, State, read_parameter, state_model

SHOW_RATE = 0.6
"""How often a symbol that a stay has shows at an opportunity, where it can show several times."""


@dataclass(frozen=True)
class Emission:
    """One symbol and how often a stay has it.

    Attributes:
        symbol: its name in the modality.
        after: index of the symbol that goes first (an opportunity it takes is none for this one), or None.
        target: "severity", "death" or a condition.
        rate: (levels of the target,) probability that the symbol is there.
    """

    symbol: str
    after: int | None
    target: str
    rate: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """Log-likelihood of the visible symbols per hidden node.

    Attributes:
        severity: (N, S).
        condition: (N, K, 2), last axis absent, present.
        death: (N, 2), last axis survives, dies.
    """

    severity: np.ndarray
    condition: np.ndarray
    death: np.ndarray

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(self.severity + other.severity, self.condition + other.condition, self.death + other.death)

    def where(self, mask: np.ndarray) -> "Evidence":
        """The same for stays where `mask` (N,) holds, nothing known elsewhere."""
        return Evidence(self.severity * mask[:, None], self.condition * mask[:, None, None], self.death * mask[:, None])

    def summed(self, stay: np.ndarray, count: int) -> "Evidence":
        """Evidence of R items added up per stay; `stay` (R,) says which of `count` an item belongs to."""
        total = no_evidence(count)
        for mine, theirs in (
            (total.severity, self.severity),
            (total.condition, self.condition),
            (total.death, self.death),
        ):
            np.add.at(mine, stay, theirs)
        return total


@cache
def emissions(modality: Modality) -> tuple[Emission, ...]:
    """Symbols of a modality from parameter/emission.csv; `low` and `high` are the rates at the lowest and
    highest level of the target, linear in between."""
    rows = [row for row in read_parameter("emission") if row["modality"] == modality]
    names = [row["symbol"] for row in rows]
    return tuple(
        Emission(
            symbol=row["symbol"],
            after=names.index(row["after"]) if row["after"] else None,
            target=row["target"],
            rate=np.linspace(float(row["low"]), float(row["high"]), _target_levels(row["target"])),
        )
        for row in rows
    )


def no_evidence(count: int) -> Evidence:
    """Nothing seen of `count` stays."""
    return Evidence(
        np.zeros((count, state_model().levels)), np.zeros((count, len(PHENOTYPES), 2)), np.zeros((count, 2))
    )


def draw_symbols(rng: np.random.Generator, modality: Modality, *, state: State) -> np.ndarray:
    """(N, E) bool: which symbols the modality has for each row of `state`."""
    table = emissions(modality)
    symbol = np.zeros((len(state.severity), len(table)), dtype=bool)
    for e, emission in enumerate(table):
        symbol[:, e] = rng.random(len(symbol)) < emission.rate[_level(state, emission.target)]
    return symbol


def draw_showings(
    rng: np.random.Generator, modality: Modality, *, symbol: np.ndarray, recorded: np.ndarray, stay: np.ndarray
) -> np.ndarray:
    """(R, E) bool: at which of R opportunities a stay's symbols show, each with SHOW_RATE.

    Two symbols of one channel cannot show at once: the one that goes first takes the opportunity.

    Args:
        rng: source.
        modality: whose emission table the columns follow.
        symbol: (N, E) bool, which symbols a stay has.
        recorded: (R, E) bool, False where a symbol cannot show.
        stay: (R,) int.
    """
    shown = symbol[stay] & recorded & (rng.random(recorded.shape) < SHOW_RATE)
    for e, emission in enumerate(emissions(modality)):
        if emission.after is not None:
            shown[:, e] &= ~shown[:, emission.after]
    return shown


def likelihood(modality: Modality, symbol: np.ndarray, *, recorded: np.ndarray) -> Evidence:
    """Log-likelihood of symbols that are seen outright, each once.

    Args:
        modality: whose emission table the columns follow.
        symbol: (N, E) bool.
        recorded: (N, E) bool, False where the symbol could not have been seen.
    """
    seen = no_evidence(len(symbol))
    for e, emission in enumerate(emissions(modality)):
        term = np.where(symbol[:, e, None], np.log(emission.rate), np.log1p(-emission.rate))
        _node(seen, emission.target)[...] += term * recorded[:, e, None]
    return seen


def likelihood_of_showings(
    modality: Modality, shown: np.ndarray, *, recorded: np.ndarray, stay: np.ndarray, count: int
) -> Evidence:
    """Log-likelihood of symbols that show now and then: shown once, a stay has it; never, it may still.

    Args:
        modality: whose emission table the columns follow.
        shown: (R, E) bool, as `draw_showings` gives it.
        recorded: (R, E) bool, the opportunities that were in sight.
        stay: (R,) int, which of `count` stays an opportunity belongs to.
        count: N.
    """
    seen = no_evidence(count)
    for e, emission in enumerate(emissions(modality)):
        possible = recorded[:, e]
        if emission.after is not None:
            possible = possible & ~shown[:, emission.after]
        trials = np.bincount(stay, weights=possible, minlength=count)[:, None]
        is_shown = (np.bincount(stay, weights=shown[:, e] & possible, minlength=count) > 0)[:, None]
        never = np.log1p(-emission.rate + emission.rate * (1 - SHOW_RATE) ** trials)
        _node(seen, emission.target)[...] += np.where(is_shown, np.log(emission.rate), never)
    return seen


def _node(seen: Evidence, target: str) -> np.ndarray:
    if target == SEVERITY:
        return seen.severity
    return seen.death if target == DEATH else seen.condition[:, PHENOTYPES.index(target)]


def _level(state: State, target: str) -> np.ndarray:
    if target == SEVERITY:
        return state.severity
    values = state.death if target == DEATH else state.condition[:, PHENOTYPES.index(target)]
    return values.astype(int)


def _target_levels(target: str) -> int:
    return state_model().levels if target == SEVERITY else 2
