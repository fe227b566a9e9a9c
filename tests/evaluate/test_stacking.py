"""The rival that has the help of val and none of the tokens."""

import numpy as np
import pytest

from medpatch.config.name import Modality, Split
from medpatch.evaluate.forward import SplitLogits
from medpatch.evaluate.stacking import add_stacking

PREVALENCE = np.array([0.3])
PRIOR = np.log(0.3 / 0.7)


def _split(stays: int, *, seed: int, is_useful: bool) -> SplitLogits:
    """Stays of which the EHR tells the label, or the chest radiograph does, which every other stay lacks."""
    generator = np.random.default_rng(seed)
    label = (generator.random((stays, 1)) < PREVALENCE).astype(np.int8)
    told = PRIOR + generator.normal(size=(stays, 1)) + label - 0.5
    noise = PRIOR + generator.normal(size=(stays, 1))
    everyone, here = np.ones(stays, bool), np.arange(stays) % 2 == 0
    ehr, cxr = (told, noise) if is_useful else (noise, told)
    return SplitLogits(
        np.arange(stays),
        np.arange(stays),
        label,
        {"unimodal_ehr": ehr, "unimodal_cxr": np.where(here[:, None], cxr, PRIOR), "late": noise},
        {"unimodal_ehr": everyone, "unimodal_cxr": here, "late": everyone},
    )


def _auroc(score: np.ndarray, label: np.ndarray) -> float:
    positive, negative = score[label == 1], score[label == 0]
    return float((positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2)


@pytest.mark.parametrize("is_useful", [True, False])
def test_weights_come_from_val_and_serve_test(is_useful: bool) -> None:
    splits = {
        Split.VAL: _split(2000, seed=1, is_useful=is_useful),
        Split.TEST: _split(2000, seed=2, is_useful=is_useful),
    }
    found = add_stacking(splits, (Modality.EHR, Modality.CXR), prevalence=PREVALENCE)
    test = found[Split.TEST]
    best = test.logit["unimodal_ehr" if is_useful else "unimodal_cxr"]
    stacked = test.logit["stacking"]
    assert _auroc(stacked[:, 0], test.label[:, 0]) == pytest.approx(_auroc(best[:, 0], test.label[:, 0]), abs=0.01)
    assert test.is_available["stacking"].all()
    assert set(test.logit) == {*splits[Split.TEST].logit, "stacking"}
    # labels of test have no say
    other = splits | {Split.TEST: SplitLogits(**{**vars(splits[Split.TEST]), "label": 1 - test.label})}
    again = add_stacking(other, (Modality.EHR, Modality.CXR), prevalence=PREVALENCE)
    np.testing.assert_array_equal(again[Split.TEST].logit["stacking"], stacked)


def test_stay_without_any_input_gets_the_fitted_offset_alone() -> None:
    val = _split(2000, seed=1, is_useful=True)
    nobody = np.zeros(3, bool)
    silent = {name: np.full((3, 1), np.nan) for name in ("unimodal_ehr", "unimodal_cxr")}
    absent = dict.fromkeys(silent, nobody)
    silent["late"] = np.zeros((3, 1))
    test = SplitLogits(np.arange(3), np.arange(3), np.zeros((3, 1), np.int8), silent, absent)
    found = add_stacking({Split.VAL: val, Split.TEST: test}, (Modality.EHR, Modality.CXR), prevalence=PREVALENCE)
    logit = found[Split.TEST].logit["stacking"][:, 0]
    assert logit == pytest.approx(np.full(3, PRIOR), abs=0.3)
    assert len(set(logit)) == 1


def test_label_that_never_varies_on_val_has_the_plain_mean() -> None:
    val, test = _split(50, seed=1, is_useful=True), _split(50, seed=2, is_useful=True)
    val.label[:] = 0
    found = add_stacking({Split.VAL: val, Split.TEST: test}, (Modality.EHR, Modality.CXR), prevalence=PREVALENCE)
    np.testing.assert_array_equal(found[Split.TEST].logit["stacking"], test.logit["late"])
