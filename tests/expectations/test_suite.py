"""Each suite passes clean rows, and one planted bad row makes exactly its own expectation fail."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest

from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig
from medpatch.validate import judgement, parameter
from medpatch.validate.derive_prediction import prediction_frame
from medpatch.validate.derive_shard import shard_frame
from medpatch.validate.derive_tensor import manifest_frame
from medpatch.validate.engine import judge
from medpatch.validate.judgement import Judgement
from medpatch.validate.source import read_channels
from medpatch.validate.suite import columns_of, load_suite, read_suite, suite_names

from . import plant_cohort, plant_evidence, plant_result, plant_shard, world_shard
from .plant import Case
from .world import MORTALITY, PHENOTYPING, SHARDS, Tables, manifest, prediction, warehouse

CASES: list[Case] = plant_cohort.CASES + plant_evidence.CASES + plant_result.CASES + plant_shard.CASES


@pytest.fixture(scope="session")
def clean() -> Tables:
    """Tables in which every expectation holds."""
    return {**warehouse(), "manifest": manifest(), "prediction": prediction(), **world_shard.tables()}


@pytest.fixture(scope="session")
def shard_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the shards exist."""
    folder = tmp_path_factory.mktemp("shards")
    for name in (*SHARDS, "holdout-00000.parquet"):
        (folder / name).touch()
    return folder


def judged(suite: str, table: str, tables: Tables, config: PipelineConfig, shard_dir: Path) -> Judgement:
    """What the gate would judge of these tables."""
    lazy = {name: frame.lazy() for name, frame in tables.items()}
    modality = Modality.DN if table == "discharge_note" else Modality.RR
    makers: dict[str, Callable[[], Judgement]] = {
        "stay": partial(judgement.judge_stay, lazy, config),
        "cohort_attrition": partial(judgement.judge_attrition, lazy, config),
        "row_account": partial(judgement.judge_account, lazy, config),
        "subject_split": partial(judgement.judge_split, lazy, config),
        "label": partial(judgement.judge_label, lazy, config),
        "ehr_event": partial(judgement.judge_event, lazy, config, channels=read_channels()),
        "cxr_study": partial(judgement.judge_cxr, lazy, config),
        "note": partial(judgement.judge_note, lazy, config, modality=modality),
        "stay_index": partial(judgement.judge_index, lazy, config),
        "stay_tensor": lambda: Judgement(
            suite,
            "manifest.parquet",
            manifest_frame(lazy["manifest"], shard_dir, timestep_hours=config.cohort.timestep_hours),
            parameter.tensor_parameters(config),
        ),
        "stay_shard": lambda: Judgement(suite, "shards", _read_back(tables), {}),
        "prediction": lambda: Judgement(
            suite,
            "predictions.parquet",
            prediction_frame(lazy["prediction"]),
            parameter.prediction_parameters(config),
        ),
    }
    return makers[suite]()


def _read_back(tables: Tables) -> pl.DataFrame:
    with TemporaryDirectory() as folder:
        written = world_shard.write_shards(tables["record"], Path(folder))
        return shard_frame(tables["listed"].lazy(), written, channels=read_channels())


def failures(what: Judgement, *, unspoiled: Judgement | None = None) -> list[str]:
    """Names of the expectations that do not hold.

    With `unspoiled`, a judgement under the same configuration that holds, expectations whose columns and
    row count are as there are taken as held, which saves two thirds of the time.
    """
    suite = load_suite(what.suite, what.parameters)
    if unspoiled is not None and unspoiled.frame.height == what.frame.height:
        changed = {c for c in what.frame.columns if not what.frame[c].equals(unspoiled.frame[c])}
        touched = tuple(e for e in suite.expectations if changed & _mentioned(e, what.frame.columns))
        suite = replace(suite, expectations=touched)
    result = judge(suite, what.frame, artifact=what.artifact)
    problems = [o for o in result.outcomes if o.problem]
    assert not problems, problems
    return [o.name for o in result.outcomes if not o.is_met]


def _mentioned(expectation: Mapping[str, Any], columns: list[str]) -> set[str]:
    condition = expectation["kwargs"].get("row_condition", "")
    return {*columns_of(expectation), *(c for c in columns if c in condition)}


@pytest.fixture(scope="session")
def unspoiled(clean: Tables, shard_dir: Path) -> Callable[[str, str], Judgement]:
    """Clean judgements under the mortality configuration, each made once."""
    return cache(lambda suite, table: judged(suite, table, clean, MORTALITY, shard_dir))


@pytest.mark.parametrize("suite", suite_names())
def test_clean_rows_pass(suite: str, clean: Tables, shard_dir: Path) -> None:
    assert failures(judged(suite, "radiology_report", clean, MORTALITY, shard_dir)) == []


@pytest.mark.parametrize("suite", ["label", "note", "stay_index", "ehr_event", "cxr_study"])
def test_clean_rows_pass_when_the_whole_stay_is_watched(suite: str, clean: Tables, shard_dir: Path) -> None:
    assert failures(judged(suite, "radiology_report", clean, PHENOTYPING, shard_dir)) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_bad_row_fails_exactly_its_expectation(
    case: Case, clean: Tables, shard_dir: Path, unspoiled: Callable[[str, str], Judgement]
) -> None:
    spoiled = judged(case.suite, case.table, case.plant(clean), case.config, shard_dir)
    same = unspoiled(case.suite, case.table) if case.config is MORTALITY else None
    assert failures(spoiled, unspoiled=same) == [case.expectation]


@pytest.mark.parametrize("suite", suite_names())
def test_every_expectation_has_a_planted_row(suite: str) -> None:
    written = Counter(e["meta"]["name"] for e in read_suite(suite)["expectations"])
    planted = Counter(case.expectation for case in CASES if case.suite == suite)
    assert planted == written


@pytest.mark.parametrize("suite", suite_names())
def test_every_expectation_says_why_in_a_sentence(suite: str) -> None:
    for expectation in read_suite(suite)["expectations"]:
        why = expectation["meta"]["why"]
        assert why[0].isupper(), why
        assert why.endswith("."), why
        assert len(why) >= 25, why
