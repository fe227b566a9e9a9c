"""The demo keeps its made-up tree only while it is the one that it would write."""

import json
from pathlib import Path

import pytest

from flows.demo import _is_that_tree
from medpatch.synthetic.folder import MADE_UP, describe


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    describe(tmp_path, kind="tree", statement="made up", seed=3, subjects=40)
    return tmp_path


def test_same_subjects_and_seed_keep_the_tree(tree: Path) -> None:
    assert _is_that_tree(tree, subjects=40, seed=3)


@pytest.mark.parametrize(("subjects", "seed"), [(41, 3), (40, 4)])
def test_other_subjects_or_seed_ask_for_a_new_tree(tree: Path, subjects: int, seed: int) -> None:
    assert not _is_that_tree(tree, subjects=subjects, seed=seed)


def test_a_changed_generator_asks_for_a_new_tree(tree: Path) -> None:
    made_up = json.loads((tree / MADE_UP).read_text())
    (tree / MADE_UP).write_text(json.dumps(made_up | {"generator": "earlier"}))
    assert not _is_that_tree(tree, subjects=40, seed=3)


def test_no_tree_asks_for_one(tmp_path: Path) -> None:
    assert not _is_that_tree(tmp_path / "absent", subjects=40, seed=3)
