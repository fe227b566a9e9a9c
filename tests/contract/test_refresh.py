"""Steps done again on request, with all that follow them, once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from medpatch.config import code
from medpatch.config.code import EXTRACT_CODE, STAGE_CODE, TENSOR_CODE
from medpatch.contract.artifact import is_current, writing
from medpatch.contract.refresh import CODE, Step, is_refreshing, refresh_from


@pytest.fixture(autouse=True)
def _as_usual() -> Iterator[None]:
    yield
    refresh_from(())


def _write(target: Path, packages: tuple[str, ...]) -> None:
    with writing(target, inputs="a", packages=packages) as aside:
        (aside / "content").write_text("x")


def test_a_step_and_those_after_it_are_stale_and_those_before_are_not(tmp_path: Path) -> None:
    made = {name: tmp_path / name for name in ("extract", "align", "train")}
    codes = {"extract": EXTRACT_CODE, "align": TENSOR_CODE, "train": STAGE_CODE}
    for name, target in made.items():
        _write(target, codes[name])
    refresh_from([Step.ALIGN])
    assert is_refreshing()
    assert [is_current(made[n], inputs="a", packages=codes[n]) for n in made] == [True, False, False]


def test_what_is_written_after_the_request_counts_as_current(tmp_path: Path) -> None:
    refresh_from([Step.TRAIN])
    _write(tmp_path / "a", STAGE_CODE)
    assert is_current(tmp_path / "a", inputs="a", packages=STAGE_CODE)


def test_without_steps_everything_is_as_usual(tmp_path: Path) -> None:
    _write(tmp_path / "a", STAGE_CODE)
    refresh_from([])
    assert not is_refreshing()
    assert is_current(tmp_path / "a", inputs="a", packages=STAGE_CODE)


def test_every_kind_of_folder_belongs_to_a_step() -> None:
    kinds = {value for name, value in vars(code).items() if name.endswith("_CODE") and name != "MODEL_CODE"}
    assert kinds == {kind for kinds_of_step in CODE.values() for kind in kinds_of_step}
