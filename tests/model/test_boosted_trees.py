"""Boosted trees and the columns they read, with numbers worked out by hand."""

import subprocess
import sys

import numpy as np
import pytest

from medpatch.config.error import CheckpointError
from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_CHANNELS, EHR_VALUE_COLUMNS, StayRecord
from medpatch.model.baseline.boosted_trees import DESCRIPTION, fit_trees, load_trees, save_trees
from medpatch.model.baseline.summary_feature import NOTE_BUCKETS, summarise_stays, summary_names

ALL = tuple(Modality)


def record(rng: np.random.Generator, *, label=(1, 0), lacks: tuple[Modality, ...] = ()) -> StayRecord:
    steps = int(rng.integers(2, 6))
    content = {
        "ehr": rng.normal(size=(steps, EHR_VALUE_COLUMNS)).astype(np.float32),
        "ehr_observed": rng.random((steps, EHR_CHANNELS)) < 0.5,
        "cxr": rng.integers(0, 256, (16, 16)).astype(np.uint8),
        "rr": [rng.integers(0, 500, 6), rng.integers(0, 500, 3)],
        "dn": [rng.integers(0, 500, 4)],
    }
    for m in lacks:
        content[m] = None
        if m is Modality.EHR:
            content["ehr_observed"] = None
    return StayRecord(stay_id=1, subject_id=1, label=np.array(label, np.int8), **content)


def column(features: np.ndarray, name: str) -> np.ndarray:
    return features[:, summary_names(ALL).index(name)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_ehr_columns_are_the_extremes_the_mean_the_ends_and_the_counts(rng):
    stay = record(rng)
    stay.ehr[:] = 0.0
    stay.ehr[:, 3] = np.arange(len(stay.ehr))[::-1] * 2.0  # falls to zero
    stay.ehr_observed[:] = False
    stay.ehr_observed[0, 5] = True
    top, steps = 2.0 * (len(stay.ehr) - 1), len(stay.ehr)
    found = summarise_stays([stay], ALL)
    wanted = {"min_3": 0.0, "max_3": top, "mean_3": top / 2, "first_3": top, "last_3": 0.0, "count_5": 1.0}
    wanted |= {"steps_since_5": steps - 1, "steps": steps, "count_4": 0.0}
    for name, value in wanted.items():
        assert column(found, f"ehr_{name}")[0] == pytest.approx(value), name
    assert np.isnan(column(found, "ehr_steps_since_4")[0])


def test_image_columns_are_cell_means_and_a_histogram(rng):
    stay = record(rng)
    stay.cxr[:] = 0
    stay.cxr[:2, 2:4] = 255  # the second of the 2 x 2 pixel cells
    found = summarise_stays([stay], ALL)
    assert column(found, "cxr_cell_1")[0] == pytest.approx(1.0)
    assert column(found, "cxr_cell_0")[0] == 0.0
    assert column(found, "cxr_mean")[0] == pytest.approx(4 / 256)
    assert column(found, "cxr_grey_15")[0] == pytest.approx(4 / 256)
    assert column(found, "cxr_grey_0")[0] == pytest.approx(252 / 256)


def test_note_columns_count_ids_wherever_they_stand(rng):
    one, other = record(rng), record(rng)
    one.rr[:] = [np.array([7, 7, 9]), np.array([11])]
    other.rr[:] = [np.array([11, 7]), np.array([9, 7])]
    found = summarise_stays([one, other], (Modality.RR,))
    np.testing.assert_array_equal(found[0], found[1])
    counts = np.expm1(found[0, 1 : 1 + NOTE_BUCKETS])
    assert sorted(counts[counts > 0].round().tolist()) == [1.0, 1.0, 2.0]
    assert np.expm1(found[0, -1]) == pytest.approx(4.0)


@pytest.mark.parametrize("lacks", [(m,) for m in Modality] + [ALL], ids="-".join)
def test_absent_modality_is_missing_and_announced(rng, lacks):
    found = summarise_stays([record(rng, lacks=lacks)], ALL)
    for name, value in zip(summary_names(ALL), found[0], strict=True):
        if name.startswith("has_"):
            assert value == float(Modality(name.removeprefix("has_")) not in lacks)
        elif "steps_since" not in name:
            assert np.isnan(value) == (Modality(name.split("_")[0]) in lacks), name


def test_columns_of_other_modalities_are_not_read(rng):
    stay = record(rng, lacks=(Modality.EHR, Modality.DN))
    assert summarise_stays([stay], (Modality.CXR,)).shape == (1, len(summary_names((Modality.CXR,))))


def test_no_stays_give_no_rows():
    assert summarise_stays([], ALL).shape == (0, len(summary_names(ALL)))


@pytest.mark.parametrize("modalities", [(Modality.CXR,), (Modality.RR, Modality.DN), ALL], ids="-".join)
def test_eight_stays_can_be_overfitted(rng, modalities):
    features = summarise_stays([record(rng, lacks=(Modality.RR,) if i == 0 else ()) for i in range(8)], modalities)
    label = np.array([[1, 0], [0, 0], [1, 1], [0, 1], [1, 0], [1, 1], [0, 0], [0, 1]])
    trees = fit(features, label, modalities)
    assert ((trees.logits(features) > 0) == (label > 0)).all()


def test_number_of_trees_is_chosen_on_val_and_survives_a_round_trip(rng, tmp_path):
    features = rng.normal(size=(400, 6)).astype(np.float32)
    label = (features[:, :1] + rng.normal(size=(400, 1)) > 0).astype(int)
    trees = fit_trees(
        features[:300], label[:300], val_features=features[300:], val_label=label[300:],
        feature_names=list("abcdef"), learning_rate=0.04, seed=1, threads=1,
    )  # fmt: skip
    logits = trees.logits(features)
    assert 0 < trees.booster[0].best_iteration < 400
    assert np.corrcoef(logits[300:, 0], label[300:, 0])[0, 1] > 0.4
    save_trees(tmp_path, trees)
    np.testing.assert_allclose(load_trees(tmp_path).logits(features), logits, rtol=1e-12)


def test_same_seed_gives_the_same_trees(rng):
    features = rng.normal(size=(100, 6)).astype(np.float32)
    label = rng.integers(0, 2, (100, 1))
    one, other = (fit(features, label, None).logits(features) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_label_with_one_class_gets_its_prevalence(rng, tmp_path):
    features = rng.normal(size=(20, 6)).astype(np.float32)
    trees = fit(features, np.column_stack([np.arange(20) % 2, np.zeros(20, int)]), None)
    assert trees.booster[1] is None
    np.testing.assert_allclose(trees.logits(features)[:, 1], np.log(1e-4 / (1 - 1e-4)))
    save_trees(tmp_path, trees)
    np.testing.assert_allclose(load_trees(tmp_path).logits(features), trees.logits(features))


def test_other_columns_are_refused(rng):
    features = rng.normal(size=(20, 6)).astype(np.float32)
    trees = fit(features, np.arange(20)[:, None] % 2, None)
    with pytest.raises(ValueError, match="read 6 columns, got 5"):
        trees.logits(features[:, :5])


def test_folder_that_is_not_whole_is_refused(rng, tmp_path):
    features = rng.normal(size=(20, 6)).astype(np.float32)
    save_trees(tmp_path, fit(features, np.arange(20)[:, None] % 2, None))
    text = (tmp_path / DESCRIPTION).read_text()
    (tmp_path / DESCRIPTION).write_text(text.replace('"column 5"', '"column 5", "column 6"'))
    with pytest.raises(CheckpointError, match=r"trees for \[6\] columns, 7 are named"):
        load_trees(tmp_path)
    (tmp_path / "label-00.txt").unlink()
    with pytest.raises(CheckpointError, match="no readable boosted trees"):
        load_trees(tmp_path)


def test_trees_need_no_torch():
    code = "import sys, medpatch.model.baseline.boosted_trees, medpatch.model.baseline.summary_feature as s; "
    done = subprocess.run(
        [sys.executable, "-c", code + "sys.exit('torch' in sys.modules)"], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def fit(features: np.ndarray, label: np.ndarray, modalities: tuple[Modality, ...] | None):
    names = summary_names(modalities) if modalities else [f"column {i}" for i in range(features.shape[1])]
    return fit_trees(
        features,
        label,
        val_features=features[:0],
        val_label=label[:0],
        feature_names=names,
        learning_rate=0.04,
        seed=1,
        threads=1,
    )
