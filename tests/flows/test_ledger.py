"""Looks at the same test stays are counted together, however the data were made."""

from pathlib import Path
from types import SimpleNamespace

import polars as pl

from flows.evaluate import test_ledger as ledger_of
from medpatch.contract.table import warehouse_file


def _run(root: Path, name: str, test: list[int]) -> SimpleNamespace:
    folder = root / name
    folder.mkdir()
    index = pl.DataFrame({"stay_id": [1, *test], "split": ["train", *["test"] * len(test)]})
    index.write_parquet(folder / warehouse_file("stay_index"))
    return SimpleNamespace(warehouse_dir=folder, paths=SimpleNamespace(work_dir=root))


def test_arms_and_configurations_with_the_same_test_stays_share_a_ledger(tmp_path: Path) -> None:
    assert ledger_of(_run(tmp_path, "whole", [7, 5])) == ledger_of(_run(tmp_path, "arm", [5, 7]))


def test_other_test_stays_have_a_ledger_of_their_own(tmp_path: Path) -> None:
    assert ledger_of(_run(tmp_path, "one", [5, 7])) != ledger_of(_run(tmp_path, "other", [5, 8]))
