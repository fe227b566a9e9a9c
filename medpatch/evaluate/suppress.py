"""Which counts may be shown: none that is small, and none from which a small one can be worked out."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from scipy.optimize import linprog

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
    system, given_up = _System(ledger), []
    for target in system.small:
        while system.first_exposed([target]) is not None:
            if not system.guard(target):
                given_up.append(target)  # everything that could help is hidden or zero already
                break
    safe = [key for key in system.small if key not in given_up]
    for key in sorted(system.guards, key=lambda k: (k not in ledger.dear, -ledger.value[k])):
        system.release(key, safe)
    small = {key: Why.SMALL for key in system.small if key in ledger.shown}
    return Disclosure(ledger.smallest, dict(ledger.value), small | dict.fromkeys(system.guards, Why.GUARD))


class _System:
    """The sums, what a reader does not see, and witnesses: values of all counts that fit everything a reader sees.

    Witnesses spare most of the linear programs: whoever hides more keeps them all, whoever shows a count again keeps
    those that have its true value.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.small = [key for key, value in ledger.value.items() if 0 < value < ledger.smallest]
        self.guards: dict[Key, None] = {}
        self.width = (ledger.smallest - 1) // 2
        self.place = {key: i for i, key in enumerate(ledger.value)}
        self.truth = np.array(list(ledger.value.values()), float)
        self.witness = self.truth[None, :]
        self.beside: dict[Key, list[dict[Key, int]]] = {}
        for entry in ledger.sums:
            for key in entry:
                self.beside.setdefault(key, []).append(entry)

    def is_known(self, key: Key) -> bool:
        value = self.ledger.value[key]
        return value == 0 or (key in self.ledger.shown and value >= self.ledger.smallest and key not in self.guards)

    def first_exposed(self, among: Sequence[Key]) -> Key | None:
        """The first of these small counts of which a reader knows too much."""
        return next((key for key in among if not self._is_safe(key)), None)

    def guard(self, target: Key) -> bool:
        """Hide the nearest count that may help the target; False where none is left."""
        reached, ring = {target}, [target]
        while ring:
            around = list(dict.fromkeys(k for one in ring for e in self.beside.get(one, ()) for k in e))
            free = [k for k in around if self.is_known(k) and self.ledger.value[k]]
            if free:
                best = min(free, key=lambda k: (k in self.ledger.dear, self.ledger.value[k]))
                self.guards[best] = None
                return True
            ring = [k for k in around if k not in reached and not self.is_known(k)]
            reached.update(ring)
        return False

    def release(self, key: Key, among: Sequence[Key]) -> None:
        """Show a guard again if none of these small counts is exposed by it."""
        place, before = self.place[key], self.witness
        del self.guards[key]
        self.witness = before[np.abs(before[:, place] - self.truth[place]) < 1e-6]
        if self.first_exposed(among) is not None:
            self.guards[key], self.witness = None, before

    def _is_safe(self, target: Key) -> bool:
        if self._seen(target) >= self.width:
            return True
        unknown, entries = self._component(target)
        for sign in (1, -1):
            if not self._reach(target, sign, unknown=unknown, entries=entries):
                return True
        return self._seen(target) >= self.width

    def _seen(self, target: Key) -> int:
        """Whole numbers between the least and the largest value of the target among the witnesses."""
        column = self.witness[:, self.place[target]]
        return math.floor(column.max() + 1e-6) - math.ceil(column.min() - 1e-6)

    def _component(self, target: Key) -> tuple[list[Key], list[dict[Key, int]]]:
        """What a reader does not know and that shares sums with the target, and those sums."""
        unknown, entries, ring = {target: None}, {}, [target]
        while ring:
            key = ring.pop()
            for entry in self.beside.get(key, ()):
                if id(entry) in entries:
                    continue
                entries[id(entry)] = entry
                new = [k for k in entry if k not in unknown and not self.is_known(k)]
                unknown.update(dict.fromkeys(new))
                ring += new
        return list(unknown), list(entries.values())

    def _reach(self, target: Key, sign: int, *, unknown: list[Key], entries: list[dict[Key, int]]) -> bool:
        """Remember values of all counts at which the target is least or largest; False where it has no limit."""
        inside = {key: i for i, key in enumerate(unknown)}
        matrix, total = np.zeros((len(entries), len(unknown))), np.zeros(len(entries))
        for row, entry in enumerate(entries):
            for key, times in entry.items():
                if key in inside:
                    matrix[row, inside[key]] = times
                else:
                    total[row] -= times * self.ledger.value[key]
        aim = np.zeros(len(unknown))
        aim[inside[target]] = sign
        sums = {"A_eq": matrix, "b_eq": total} if entries else {}
        found = linprog(aim, bounds=[self._bounds(k) for k in unknown], **sums)
        if found.status == UNBOUNDED:
            return False
        if not found.success:
            raise ArithmeticError(f"count {target}: the program for its range ended with: {found.message}")
        values = self.truth.copy()
        values[[self.place[key] for key in unknown]] = found.x
        self.witness = np.vstack([self.witness, values])
        return True

    def _bounds(self, key: Key) -> tuple[int, int | None]:
        if key not in self.ledger.shown:
            return 0, None
        return (self.ledger.smallest, None) if key in self.guards else (1, self.ledger.smallest - 1)
