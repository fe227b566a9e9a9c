"""Hidden counts stay hidden: by hand, and by solving for them from everything that is shown."""

from itertools import product

import numpy as np
import pytest

from medpatch.evaluate.suppress import Disclosure, Ledger, Why, protect


def table(rows: dict[str, list[int]], *, smallest: int = 10) -> Ledger:
    """Counts by row and column with both margins, every one of them shown."""
    ledger, names = Ledger(smallest), list(rows)
    cells = np.array([rows[name] for name in names])
    for i, name in enumerate(names):
        for j, value in enumerate(cells[i]):
            ledger.add((name, j), int(value))
        ledger.add((name, "all"), int(cells[i].sum()))
    for j in range(cells.shape[1]):
        ledger.add(("all", j), int(cells[:, j].sum()))
    ledger.add(("all", "all"), int(cells.sum()), is_dear=True)
    for j in [*range(cells.shape[1]), "all"]:
        ledger.part(("all", j), [(name, j) for name in names])
    for name in [*names, "all"]:
        ledger.part((name, "all"), [(name, j) for j in range(cells.shape[1])])
    return ledger


def determined(ledger: Ledger, disclosure: Disclosure) -> set:
    """Counts that everything shown, the zeros and the sums leave one value for: their row of the null space is 0."""
    keys = [k for k, v in ledger.value.items() if v and (k in disclosure.hidden or k not in ledger.shown)]
    place = {key: i for i, key in enumerate(keys)}
    matrix = np.zeros((len(ledger.sums) + 1, len(keys)))
    for row, entry in enumerate(ledger.sums):
        for key, times in entry.items():
            if key in place:
                matrix[row, place[key]] = times
    _, singular, right = np.linalg.svd(matrix)
    null = right[int((singular > 1e-9).sum()) :]
    return {key for key in keys if not len(null) or np.abs(null[:, place[key]]).max() < 1e-9}


def test_nothing_is_hidden_where_nothing_is_small() -> None:
    assert protect(table({"a": [10, 20], "b": [0, 30]})).hidden == {}


def test_one_small_count_of_a_group_takes_the_smallest_other_with_it() -> None:
    ledger = Ledger(10)
    for key, value in (("total", 100), ("a", 4), ("b", 30), ("c", 66)):
        ledger.add(key, value, is_dear=key == "total")
    ledger.part("total", ["a", "b", "c"])
    found = protect(ledger)
    # 34 less whatever b is: b is at least 25, so a can be 1 to 9
    assert found.hidden == {"a": Why.SMALL, "b": Why.GUARD}
    assert [found.words(k) for k in ("total", "a", "b", "c")] == ["100", "< 10", "hidden", "66"]


def test_two_small_counts_guard_each_other_only_where_their_sum_leaves_room() -> None:
    for values, hidden in (({"a": 4, "b": 7, "c": 40}, {"a", "b"}), ({"a": 1, "b": 1, "c": 40}, {"a", "b", "c"})):
        ledger = Ledger(10)
        ledger.add("total", sum(values.values()), is_dear=True)
        for key, value in values.items():
            ledger.add(key, value)
        ledger.part("total", list(values))
        # 4 + 7 = 11 leaves 2 to 9; 1 + 1 = 2 leaves 1 alone
        assert set(protect(ledger).hidden) == hidden


def test_few_negatives_hide_the_positives() -> None:
    ledger = Ledger(10)
    ledger.add("stays", 50, is_dear=True)
    ledger.add("positives", 47)
    ledger.part("stays", ["positives"])
    assert protect(ledger).hidden == {"positives": Why.GUARD}


def test_remainder_that_no_row_names_is_guarded() -> None:
    ledger = Ledger(10)
    for key, value in (("stays", 100), ("female", 40), ("male", 57)):
        ledger.add(key, value, is_dear=key == "stays")
    ledger.part("stays", ["female", "male"])  # three of unknown sex
    assert protect(ledger).hidden == {"female": Why.GUARD}


def test_same_count_in_another_table_is_hidden_too() -> None:
    ledger = Ledger(10)
    for key, value in (("test", 100), ("test a", 4), ("test b", 96), ("judged", 100), ("judged b", 96)):
        ledger.add(key, value, is_dear=key in ("test", "judged"))
    ledger.part("test", ["test a", "test b"])
    ledger.part("test", ["judged"])
    ledger.part("test b", ["judged b"])
    assert set(protect(ledger).hidden) == {"test a", "test b", "judged b"}


def test_square_in_a_table_with_both_margins() -> None:
    found = protect(table({"a": [4, 20, 30], "b": [15, 40, 50], "c": [60, 70, 80]}))
    # one hidden count needs another in its row, another in its column, and the corner between them
    assert found.hidden == {
        ("a", 0): Why.SMALL, ("a", 1): Why.GUARD, ("b", 0): Why.GUARD, ("b", 1): Why.GUARD,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_no_hidden_count_can_be_solved_for(seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(2, 5, 2))
    cells = np.where(random.random(shape) < 0.3, random.integers(0, 10, shape), random.integers(10, 60, shape))
    ledger = table({f"row {i}": row.tolist() for i, row in enumerate(cells)})
    found = protect(ledger)
    small = {k for k, v in ledger.value.items() if 0 < v < 10}
    assert small == {k for k, why in found.hidden.items() if why is Why.SMALL}
    assert not small & determined(ledger, found)


def test_every_small_count_keeps_half_of_its_values_by_enumeration() -> None:
    rows = {"a": [1, 2], "b": [3, 9]}
    ledger = table(rows, smallest=5)
    found = protect(ledger)
    possible: dict = {}
    inner = [(name, j) for name in rows for j in range(2)]
    for guess in product(range(1, 14), repeat=len(inner)):
        values = dict(zip(inner, guess, strict=True))
        for j in range(2):
            values["all", j] = sum(values[name, j] for name in rows)
        for name in [*rows, "all"]:
            values[name, "all"] = values[name, 0] + values[name, 1]
        fits = all(
            (found.hidden[k] is Why.SMALL) == (v < 5) if k in found.hidden else v == ledger.value[k]
            for k, v in values.items()
        )
        if fits:
            for key, value in values.items():
                possible.setdefault(key, set()).add(value)
    for key, value in ledger.value.items():
        if value < 5:
            assert len(possible[key]) >= 3, key


def test_one_count_entered_with_two_values_is_refused() -> None:
    ledger = Ledger(10)
    ledger.add("a", 3)
    with pytest.raises(ValueError, match="is 3, entered again as 4"):
        ledger.add("a", 4)
