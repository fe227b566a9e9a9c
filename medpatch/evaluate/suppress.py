"""Which counts may be shown: none that is small, and none from which a small one can be worked out."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

Key = Hashable
UNBOUNDED = 3
"""How scipy's linprog says that there is no largest value."""


class Why(StrEnum):
    """Why a count is not shown."""

    SMALL = "small"
    GUARD = "guard"


@dataclass
class Ledger:
    """Counts of people or stays, and the sums that hold between them, whether or not a table prints them.

    Attributes:
        smallest: counts from 1 to below this are small.
        value: of every count.
        shown: those that some table or picture prints.
        dear: those that are hidden last: totals that readers need.
        sums: each a coefficient per count; what a reader can know to add up to 0.
    """

    smallest: int
    value: dict[Key, int] = field(default_factory=dict)
    shown: set[Key] = field(default_factory=set)
    dear: set[Key] = field(default_factory=set)
    sums: list[dict[Key, int]] = field(default_factory=list)

    def add(self, key: Key, value: int, *, is_shown: bool = True, is_dear: bool = False) -> None:
        """Enter a count; one that is there keeps its value and may become shown.

        Raises:
            ValueError: it is there with another value; then it is another count and needs a name of its own.
        """
        if self.value.setdefault(key, int(value)) != value:
            raise ValueError(f"count {key}: is {self.value[key]}, entered again as {value}")
        if is_shown:
            self.shown.add(key)
        if is_dear:
            self.dear.add(key)

    def part(self, whole: Key, parts: Sequence[Key], *, times: int = 1) -> None:
        """`times` the whole holds the parts, which do not overlap; what is left is a count that no table prints.

        Counts of different sources that contradict this (parts larger than the whole) tell a reader nothing, so
        nothing is entered.
        """
        rest = times * self.value[whole] - sum(self.value[key] for key in parts)
        if rest < 0:
            return
        entry = {whole: -times}
        for key in parts:
            entry[key] = entry.get(key, 0) + 1
        if rest:
            left = ("rest", whole, tuple(parts))
            self.add(left, rest, is_shown=False)
            entry[left] = 1
        self.sums.append(entry)


@dataclass(frozen=True)
class Disclosure:
    """What may be shown.

    Attributes:
        smallest: counts from 1 to below this are small.
        value: of every count.
        hidden: count -> why it is not shown.
    """

    smallest: int
    value: Mapping[Key, int]
    hidden: Mapping[Key, Why]

    def of(self, key: Key) -> int | None:
        """The count, or None where it is hidden."""
        return None if key in self.hidden else self.value[key]

    def words(self, key: Key) -> str:
        """The count with thousands separated; "< 10" for a small one, "hidden" for one that guards another."""
        why = self.hidden.get(key)
        if why is None:
            return f"{self.value[key]:,}"
        return f"< {self.smallest}" if why is Why.SMALL else "hidden"


def protect(ledger: Ledger) -> Disclosure:
    """Hide every small count, and as many others as it takes to keep each small one uncertain.

    Small counts are the primary suppression. A further count is hidden while some small one, given everything shown,
    all sums, that "< n" means 1 to n - 1 and that a hidden guard is at least n, could take fewer than half of the
    values from 1 to n - 1; the nearest counts go first, among them the smallest. Guards that turn out not to be
    needed are shown again, the largest first. A zero is known to everybody.

    Source: complementary cell suppression and its audit by linear programming, as in Willenborg and de Waal,
    Elements of Statistical Disclosure Control (2001), chapter 6.
    """
    system = _System(ledger)
    while exposed := system.exposed():
        if not any(system.guard(target) for target in exposed):
            break  # everything beside the exposed ones is hidden or zero already
    for key in sorted(system.guards, key=lambda k: (k not in ledger.dear, -ledger.value[k])):
        system.release(key)
    small = {key: Why.SMALL for key in system.small if key in ledger.shown}
    return Disclosure(ledger.smallest, dict(ledger.value), small | dict.fromkeys(system.guards, Why.GUARD))


class _System:
    """The sums, and which counts a reader does not see."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.small = [key for key, value in ledger.value.items() if 0 < value < ledger.smallest]
        self.guards: list[Key] = []
        self.width = (ledger.smallest - 1) // 2
        self.beside: dict[Key, list[dict[Key, int]]] = {}
        for entry in ledger.sums:
            for key in entry:
                self.beside.setdefault(key, []).append(entry)
        self._safe: dict[tuple, bool] = {}

    def is_known(self, key: Key) -> bool:
        value = self.ledger.value[key]
        return value == 0 or (key in self.ledger.shown and value >= self.ledger.smallest and key not in self.guards)

    def exposed(self, among: Sequence[Key] | None = None) -> list[Key]:
        """Small counts of which a reader knows too much."""
        found = []
        for unknown, entries in self._components():
            targets = [k for k in unknown if k in self._small_set and (among is None or k in among)]
            found += [k for k in targets if not self._is_safe(k, unknown, entries=entries)]
        return found

    def guard(self, target: Key) -> bool:
        """Hide the nearest count that helps the target; False where none is left."""
        reached, ring = {target}, [target]
        while ring:
            around = list(dict.fromkeys(k for one in ring for e in self.beside.get(one, ()) for k in e))
            free = [k for k in around if self.is_known(k) and self.ledger.value[k]]
            if free:
                self.guards.append(min(free, key=lambda k: (k in self.ledger.dear, self.ledger.value[k])))
                return True
            ring = [k for k in around if k not in reached and not self.is_known(k)]
            reached.update(ring)
        return False

    def release(self, key: Key) -> None:
        """Show a guard again if nothing becomes exposed that was not."""
        before = set(self.exposed())
        place = self.guards.index(key)
        del self.guards[place]
        if set(self.exposed()) - before:
            self.guards.insert(place, key)

    @property
    def _small_set(self) -> set[Key]:
        return set(self.small)

    def _components(self) -> list[tuple[list[Key], list[dict[Key, int]]]]:
        """Counts that a reader does not know, in groups that share no sum."""
        unknown = [k for k in self.ledger.value if not self.is_known(k)]
        place = {key: i for i, key in enumerate(unknown)}
        entries = [e for e in self.ledger.sums if any(k in place for k in e)]
        pairs = [(place[k], len(unknown) + j) for j, e in enumerate(entries) for k in e if k in place]
        size = len(unknown) + len(entries)
        if not pairs:
            return [([key], []) for key in unknown]
        rows, columns = zip(*pairs, strict=True)
        graph = csr_array((np.ones(len(pairs)), (rows, columns)), shape=(size, size))
        count, group = connected_components(graph, directed=False)
        found: list[tuple[list[Key], list[dict[Key, int]]]] = [([], []) for _ in range(count)]
        for i, key in enumerate(unknown):
            found[group[i]][0].append(key)
        for j, entry in enumerate(entries):
            found[group[len(unknown) + j]][1].append(entry)
        return found

    def _is_safe(self, target: Key, unknown: list[Key], *, entries: list[dict[Key, int]]) -> bool:
        question = (target, tuple(unknown), len(entries))
        if question not in self._safe:
            low, high = self._range(target, unknown, entries=entries)
            self._safe[question] = high - low >= self.width
        return self._safe[question]

    def _range(self, target: Key, unknown: list[Key], *, entries: list[dict[Key, int]]) -> tuple[float, float]:
        """Least and largest whole number that the target can be."""
        value, place = self.ledger.value, {key: i for i, key in enumerate(unknown)}
        matrix, total = np.zeros((len(entries), len(unknown))), np.zeros(len(entries))
        for row, entry in enumerate(entries):
            for key, times in entry.items():
                if key in place:
                    matrix[row, place[key]] = times
                else:
                    total[row] -= times * value[key]
        aim = np.zeros(len(unknown))
        ends = []
        for sign in (1, -1):
            aim[place[target]] = sign
            given = {"A_eq": matrix, "b_eq": total} if entries else {}
            found = linprog(aim, bounds=[self._bounds(k) for k in unknown], **given)
            ends.append(sign * found.fun if found.success else -sign * math.inf)
        low, high = ends
        return (math.ceil(low - 1e-6) if math.isfinite(low) else low, math.floor(high + 1e-6) if math.isfinite(high)
                else high)  # fmt: skip

    def _bounds(self, key: Key) -> tuple[int, int | None]:
        if key not in self.ledger.shown:
            return 0, None
        return (self.ledger.smallest, None) if key in self.guards else (1, self.ledger.smallest - 1)
