"""Groups are those of the tables, small ones are hidden, one stay is no group."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medpatch.config.error import ContractError
from medpatch.config.name import Modality, Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.prediction import SplitPrediction, read_predictions
from medpatch.evaluate.stay import age_bands, combinations, race_group, read_facts
from medpatch.evaluate.subgroup import judge_groups
from medpatch.evaluate.summary import judge_models

from .made_up import made_up_rows, write_manifest, write_rows, write_stays

ROWS = made_up_rows(Task.IN_HOSPITAL_MORTALITY)


@pytest.fixture
def test(tmp_path: Path, mortality: PipelineConfig) -> SplitPrediction:
    return read_predictions(write_rows(ROWS, tmp_path), Split.TEST, label_names=mortality.labels)


def test_group_of_one_stay_is_named_without_numbers(test: SplitPrediction, mortality: PipelineConfig) -> None:
    group = np.where(np.arange(120) == 7, "alone", "the others")
    large, small = judge_groups((test,), ("medpatch",), config=mortality.evaluate, variable="Unit", group=group)
    assert (large.group, large.stays, len(large.results)) == ("the others", 119, 1)
    assert (small.group, small.stays, small.results) == ("alone", 1, ())


def test_many_stays_of_few_patients_are_a_small_group(test: SplitPrediction, mortality: PipelineConfig) -> None:
    config = mortality.evaluate.model_copy(update={"min_group_stays": 80})
    # 120 stays of fewer than 80 patients
    (only,) = judge_groups((test,), ("medpatch",), config=config, variable="Unit", group=np.repeat("all", 120))
    assert len(np.unique(test.subject_id)) < 80
    assert (only.stays, only.results) == (120, ())


def test_group_is_judged_on_its_own_stays(test: SplitPrediction, mortality: PipelineConfig) -> None:
    rows = np.arange(120) < 70
    found = judge_groups(
        (test,), ("medpatch",), config=mortality.evaluate, variable="Half", group=np.where(rows, "first", "second")
    )
    alone = judge_models((test,), ("medpatch",), config=mortality.evaluate, rows=rows)["medpatch"].result
    assert found[0].results[0].macro == alone.macro


def test_group_without_positives_is_undefined_and_not_fatal(test: SplitPrediction, mortality: PipelineConfig) -> None:
    group = np.where(test.label[:, 0] > 0, "dead", "alive")
    config = mortality.evaluate.model_copy(update={"min_group_stays": 5})
    alive = judge_groups((test,), ("medpatch",), config=config, variable="Outcome", group=group)[0]
    assert np.isnan(alive.results[0].macro.auroc.value)
    assert alive.results[0].macro.brier.value > 0


def test_age_bands_begin_at_their_edges() -> None:
    bands = age_bands(np.array([18, 44, 45, 64, 65, 80, 99, np.nan]), (45, 65, 80))
    assert bands.tolist() == [
        "under 45", "under 45", "45 to 64", "45 to 64", "65 to 79", "80 and over", "80 and over", "UNKNOWN",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("race", "group"),
    [
        ("BLACK/CAPE VERDEAN", "BLACK/AFRICAN AMERICAN"),
        ("BLACK/AFRICAN AMERICAN", "BLACK/AFRICAN AMERICAN"),
        ("WHITE - RUSSIAN", "WHITE"),
        ("PORTUGUESE", "OTHER"),
        (None, "UNKNOWN"),
    ],
)
def test_race_spelled_as_in_the_release_falls_into_its_group(race: str | None, group: str) -> None:
    assert race_group(race) == group


def test_combination_is_the_exact_set_of_modalities() -> None:
    presence = {Modality.EHR: np.array([True, True, False]), Modality.CXR: np.array([True, False, False])}
    assert combinations(presence).tolist() == ["EHR + CXR", "EHR", "none"]


def test_facts_are_in_the_order_of_the_predictions(test: SplitPrediction, tmp_path: Path) -> None:
    backwards = test.stay_id[::-1]
    facts = read_facts(
        backwards,
        (Modality.EHR, Modality.CXR),
        tensor_dir=write_manifest(ROWS, tmp_path / "tensor"),
        warehouse_dir=write_stays(ROWS, tmp_path / "mart"),
        age_edges_years=(45,),
    )
    assert facts.presence[Modality.CXR].tolist() == [s % 10 < 3 for s in backwards]
    assert facts.subgroup["Sex"].tolist() == ["Female" if s % 2 else "Male" for s in backwards]


def test_table_that_lacks_a_judged_stay_is_refused(test: SplitPrediction, tmp_path: Path) -> None:
    folder = write_stays(ROWS, tmp_path / "mart")
    stays = pl.read_parquet(folder / "stay.parquet")
    stays.filter(pl.col("stay_id") != int(test.stay_id[3])).write_parquet(folder / "stay.parquet")
    with pytest.raises(ContractError, match=r"stay\.parquet: holds 119 rows for 120 judged stays"):
        read_facts(test.stay_id, (), tensor_dir=None, warehouse_dir=folder, age_edges_years=(45,))
