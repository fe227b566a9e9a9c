"""The closed form is the posterior: against enumeration, against draws, and against the files."""

from itertools import product

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from medpatch.config.name import PHENOTYPES, Modality, Task
from medpatch.contract.prediction import ORACLE_SCHEMA
from medpatch.synthetic.evidence import Evidence
from medpatch.synthetic.oracle import posterior
from medpatch.synthetic.plan import Plan, draw_plan
from medpatch.synthetic.sight import modality_sets, parts_in_sight, solve
from medpatch.synthetic.state import StateModel, presence_model, read_parameter, state_model

from .conftest import Tree

MORTALITY, PHENOTYPING = Task.IN_HOSPITAL_MORTALITY, Task.PHENOTYPING


@pytest.fixture(scope="module")
def population() -> Plan:
    return draw_plan(np.random.default_rng(11), 6000)


def test_posterior_equals_enumeration_of_all_states() -> None:
    rng = np.random.default_rng(0)
    levels, conditions, stays = 3, 4, 5
    model = StateModel(np.array([0.5, 0.3, 0.2]), rng.random((levels, conditions)), np.array([0.1, 0.3, 0.6]))
    seen = Evidence(
        rng.normal(0, 2, (stays, levels)), rng.normal(0, 2, (stays, conditions, 2)), rng.normal(0, 2, (stays, 2))
    )
    visible = rng.normal(0, 1, (stays, levels))
    known = posterior(model, seen, log_visible=visible)
    for n in range(stays):
        total, dies, has = 0.0, 0.0, np.zeros(conditions)
        for s, y, *c in product(range(levels), (0, 1), *[(0, 1)] * conditions):
            chance = np.where(c, model.condition[s], 1 - model.condition[s]).prod()
            chance *= model.severity[s] * (model.death[s] if y else 1 - model.death[s])
            chance *= np.exp(visible[n, s] + seen.severity[n, s] + seen.death[n, y])
            chance *= np.exp(sum(seen.condition[n, k, c[k]] for k in range(conditions)))
            total, dies, has = total + chance, dies + chance * y, has + chance * np.array(c)
        assert known.death[n] == pytest.approx(dies / total, rel=1e-9)
        assert known.condition[n] == pytest.approx(has / total, rel=1e-9)


def test_without_evidence_the_posterior_is_the_prevalence() -> None:
    model = state_model()
    nothing = Evidence(np.zeros((1, model.levels)), np.zeros((1, len(PHENOTYPES), 2)), np.zeros((1, 2)))
    known = posterior(model, nothing, log_visible=np.zeros((1, model.levels)))
    expected = {row["name"]: float(row["prevalence"]) for row in read_parameter("condition")}
    assert known.condition[0] == pytest.approx([expected[name] for name in PHENOTYPES], abs=1e-6)


@pytest.mark.parametrize("subset", modality_sets(MORTALITY), ids="+".join)
def test_mortality_oracle_is_calibrated(population: Plan, subset: tuple[Modality, ...]) -> None:
    known = solve(population, MORTALITY, subset=subset)
    _assert_calibrated(known.death[population.is_long], population.state.death[population.is_long])


@pytest.mark.parametrize("subset", modality_sets(PHENOTYPING), ids="+".join)
def test_phenotyping_oracle_is_calibrated(population: Plan, subset: tuple[Modality, ...]) -> None:
    known = solve(population, PHENOTYPING, subset=subset)
    _assert_calibrated(known.condition.ravel(), population.state.condition.ravel())


def _assert_calibrated(probability: np.ndarray, label: np.ndarray) -> None:
    """In fifths of the predictions, labels are as frequent as predicted: within 4.5 standard errors."""
    for part in np.array_split(np.argsort(probability), 5):
        error = np.sqrt((probability[part] * (1 - probability[part])).sum()) + 1e-9
        assert abs(probability[part].sum() - label[part].sum()) < 4.5 * error + 0.5


def test_more_modalities_never_see_less_and_fusion_pays(population: Plan) -> None:
    """Expected log-likelihood grows with the set; the whole beats the best single modality by far."""
    rows = population.is_long
    label = population.state.death[rows]
    auroc = {
        subset: roc_auc_score(label, solve(population, MORTALITY, subset=subset).death[rows])
        for subset in modality_sets(MORTALITY)
    }
    best = max(value for subset, value in auroc.items() if len(subset) == 1)
    assert auroc[Modality.EHR, Modality.CXR, Modality.RR] > best + 0.02
    assert 0.80 < auroc[(Modality.EHR,)] < 0.89
    assert 0.70 < auroc[(Modality.RR,)] < 0.84

    def macro(subset: tuple[Modality, ...]) -> float:
        known = solve(population, PHENOTYPING, subset=subset).condition
        truth = population.state.condition
        return float(np.mean([roc_auc_score(truth[:, k], known[:, k]) for k in range(truth.shape[1])]))

    assert macro(tuple(Modality)) > macro((Modality.DN,)) + 0.05
    assert macro((Modality.DN,)) > macro((Modality.RR,)) > macro((Modality.CXR,))


def test_presence_alone_says_something(population: Plan) -> None:
    level = population.state.severity
    seen = [population.has_cxr[level == s].mean() for s in (0, 4)]
    assert seen[1] > seen[0] + 0.1
    assert presence_model().dn[0] > presence_model().dn[4]


def test_a_report_adds_nothing_about_the_image_it_repeats(population: Plan) -> None:
    """Where the image is in sight, what the report states of it must not be counted again."""
    both, report = (Modality.CXR, Modality.RR), (Modality.RR,)
    parts = parts_in_sight(population, MORTALITY)
    with_statement = solve(population, MORTALITY, subset=both, parts=parts).death
    silent = solve(population, MORTALITY, subset=both, parts={**parts, "statement": parts["statement"].where(
        np.zeros(population.count, dtype=bool))}).death  # fmt: skip
    shown = population.has_cxr
    assert with_statement[shown] == pytest.approx(silent[shown])
    assert not np.allclose(with_statement[~shown], silent[~shown])
    alone = solve(population, MORTALITY, subset=report, parts=parts).death
    assert not np.allclose(alone[shown], with_statement[shown])


def test_oracle_file_has_the_contract_schema_and_all_sets(tree: Tree) -> None:
    for task in Task:
        table = pl.read_parquet(tree.root / "oracle" / f"{task}.parquet")
        assert table.columns == ORACLE_SCHEMA.names
        assert set(table["modality_set"]) == {"+".join(subset) for subset in modality_sets(task)}
        assert table["probability"].is_between(0, 1).all()
        per_stay = table.group_by("stay_id").len()["len"].unique().to_list()
        assert per_stay == [len(modality_sets(task)) * (1 if task is MORTALITY else 25)]


def test_oracle_lists_only_stays_whose_files_show_the_plan(tree: Tree) -> None:
    stays = tree.table("mimiciv/icu/icustays").with_columns(pl.col("stay_id").cast(pl.Int64))
    listed = pl.read_parquet(tree.root / "oracle" / "phenotyping.parquet")["stay_id"].unique()
    kept = stays.filter(pl.col("first_careunit") == pl.col("last_careunit"))
    kept = kept.filter((pl.len().over("hadm_id") == 1) & (pl.col("los").cast(float) > 0))
    assert set(listed) == set(kept["stay_id"])
    mortality = pl.read_parquet(tree.root / "oracle" / "in_hospital_mortality.parquet")["stay_id"].unique()
    assert set(mortality) == set(kept.filter(pl.col("los").cast(float) >= 2)["stay_id"])
