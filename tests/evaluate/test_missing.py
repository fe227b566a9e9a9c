"""Drop curves start at MedPatch itself, end without the modality, and only touch stays that have it."""

from pathlib import Path

import numpy as np
import pytest

from medpatch.config.name import Modality, Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.metric import auroc
from medpatch.evaluate.missing import drop_curve, drop_curves, from_rows
from medpatch.evaluate.name import compared
from medpatch.evaluate.prediction import SplitPrediction, read_predictions

from .made_up import add_drops, made_up_rows, write_rows

HAS_CXR = np.arange(120) % 3 == 0
PRESENCE = {Modality.EHR: np.ones(120, bool), Modality.CXR: HAS_CXR}


@pytest.fixture
def test(tmp_path: Path, mortality: PipelineConfig) -> SplitPrediction:
    path = write_rows(add_drops(made_up_rows(Task.IN_HOSPITAL_MORTALITY)), tmp_path)
    return read_predictions(path, Split.TEST, label_names=mortality.labels)


def test_nobody_loses_anything_at_share_zero(test: SplitPrediction) -> None:
    logit = from_rows(test, PRESENCE)("cxr", 0.0, 0)
    np.testing.assert_array_equal(logit, test.models["medpatch"].logit)


def test_only_stays_that_have_the_modality_lose_it(test: SplitPrediction) -> None:
    logit = from_rows(test, PRESENCE)("cxr", 1.0, 0)
    np.testing.assert_array_equal(logit[HAS_CXR], test.models["medpatch_without_cxr"].logit[HAS_CXR])
    np.testing.assert_array_equal(logit[~HAS_CXR], test.models["medpatch"].logit[~HAS_CXR])


def test_a_larger_share_holds_the_smaller_one(test: SplitPrediction) -> None:
    without = from_rows(test, PRESENCE)
    lost = [without("ehr", share, 5)[:, 0] != test.models["medpatch"].logit[:, 0] for share in (0.25, 0.75)]
    assert [int(each.sum()) for each in lost] == [30, 90]
    assert (lost[1] | ~lost[0]).all()


def test_curve_ends_where_every_stay_lost_the_modality(test: SplitPrediction, mortality: PipelineConfig) -> None:
    curve = next(c for c in drop_curves([test], PRESENCE, config=mortality.evaluate) if c.modality == "ehr")
    ends = [auroc(test.models[m].logit, test.label)[0] for m in ("medpatch", "medpatch_without_ehr")]
    assert [curve.auroc[0].value, curve.auroc[-1].value] == ends
    assert (curve.stays, curve.share) == (120, mortality.evaluate.drop_shares)


def test_curve_of_any_callable_is_drawn(test: SplitPrediction, mortality: PipelineConfig) -> None:
    asked = []

    def predict_without(modality: str, share: float, seed: int) -> np.ndarray:
        asked.append((modality, share, seed))
        return test.models["medpatch"].logit

    drop_curve([predict_without], "rr", prediction=test, stays=9, config=mortality.evaluate)
    assert asked == [("rr", share, 0) for share in mortality.evaluate.drop_shares]


def test_reported_high_head_does_not_mix_into_the_curves_of_the_late_head(test: SplitPrediction) -> None:
    models = dict(test.models)
    models["medpatch_late"] = models["medpatch"]
    models["medpatch"] = models["medpatch_high"]
    swapped = SplitPrediction(test.split, test.stay_id, test.subject_id, test.label, test.label_names, models)
    np.testing.assert_array_equal(from_rows(swapped, PRESENCE)("cxr", 0.0, 0), models["medpatch_late"].logit)


def test_predictions_without_such_rows_have_no_curves(test: SplitPrediction, mortality: PipelineConfig) -> None:
    kept = {name: m for name, m in test.models.items() if "without" not in name}
    bare = SplitPrediction(test.split, test.stay_id, test.subject_id, test.label, test.label_names, kept)
    assert drop_curves([bare], PRESENCE, config=mortality.evaluate) == ()


def test_medpatch_without_a_modality_is_no_model_of_the_tables() -> None:
    assert compared(["medpatch", "medpatch_without_cxr", "late"]) == ("medpatch", "late")
