"""The logged model says what the network says, whoever loads it, and refuses rows of another shape."""

import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from medpatch.config.error import ContractError
from medpatch.config.name import Modality
from medpatch.data.collate import collate
from medpatch.model import checkpoint
from medpatch.serve.frame import example, to_records
from medpatch.serve.package import locked_requirements, save_pyfunc
from tests.model.factory import make_config, make_medpatch, make_spec

SIDE = 16


def _row(seed: int, *, steps: int = 3) -> dict[str, object]:
    numbers = np.random.default_rng(seed)
    return {
        "ehr": numbers.normal(size=(steps, 59)).tolist(),
        "ehr_observed": (numbers.random((steps, 17)) > 0.5).tolist(),
        "cxr": base64.b64encode(numbers.integers(0, 256, SIDE * SIDE, dtype=np.uint8).tobytes()).decode(),
        "rr": [[2, 5, 6], [2, 7]],
        "dn": [[2, 9, 4, 4]],
    }


ROWS = pd.DataFrame([_row(0), {**_row(1, steps=5), "cxr": None, "dn": None}])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of an untrained MedPatch."""
    place = tmp_path_factory.mktemp("serve") / "checkpoint"
    place.mkdir()
    checkpoint.save(place, make_medpatch(), kind="medpatch", model=make_config(), spec=make_spec(), data="d1")
    return place


@pytest.fixture(scope="module")
def model_dir(folder: Path) -> Path:
    """That checkpoint as an MLflow model."""
    target = folder.parent / "model"
    save_pyfunc(target, folder, head="late")
    return target


def test_the_loaded_model_gives_the_probabilities_of_the_network(model_dir: Path, folder: Path) -> None:
    import mlflow.pyfunc

    found = mlflow.pyfunc.load_model(str(model_dir)).predict(ROWS)
    spec = make_spec()
    batch = collate(to_records(ROWS, label_count=3, image_size_px=SIDE), spec.modalities, image_size_px=SIDE)
    with torch.inference_mode():
        expected = checkpoint.load_medpatch(folder)(batch).late.sigmoid().numpy()
    assert list(found.columns) == ["label 0", "label 1", "label 2"]
    np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-6)


def test_the_logged_folder_holds_safetensors_and_no_pickle(model_dir: Path) -> None:
    names = {p.suffix for p in model_dir.rglob("*") if p.is_file()}
    assert ".safetensors" in names
    assert names.isdisjoint({".pkl", ".pickle", ".pt", ".pth", ".bin"})


def test_the_example_is_made_up_and_fits_the_signature(model_dir: Path) -> None:
    import mlflow.pyfunc

    given = json.loads((model_dir / "serving_input_example.json").read_text())["dataframe_split"]
    assert given["columns"] == ["ehr", "ehr_observed", "cxr", "rr", "dn"]
    assert set(np.array(given["data"][0][0]).ravel()) == {0.0}
    model = mlflow.pyfunc.load_model(str(model_dir))
    assert model.predict(example(tuple(Modality), image_size_px=SIDE)).shape == (2, 3)


def test_requirements_are_those_of_the_lock_file() -> None:
    names = {line.split("==")[0].lower() for line in locked_requirements()}
    assert {"torch", "safetensors", "scipy", "mlflow", "transformers"} <= names


def test_an_absent_modality_is_none_in_the_record() -> None:
    whole, partial = to_records(ROWS, label_count=3, image_size_px=SIDE)
    assert whole.cxr.shape == (SIDE, SIDE)
    assert (partial.cxr, partial.dn) == (None, None)
    assert [len(chunk) for chunk in whole.rr] == [3, 2]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("ehr", [[36.6, 1.0]], r"row 0: column ehr has shape \(1, 2\), expected \(T, 59\)"),
        ("ehr", [], "row 0: column ehr has shape"),
        ("ehr_observed", [["a"], [True, False]], "row 0: column ehr_observed is not"),
        ("cxr", base64.b64encode(b"123").decode(), "row 0: column cxr holds 3 bytes, expected 256"),
        ("cxr", "not base64!", "row 0: column cxr is not base64"),
        ("rr", [[1], []], "row 0: column rr has an empty chunk"),
        ("dn", [["word"]], "row 0: column dn is not a list of lists of token ids"),
    ],
)
def test_a_value_of_another_shape_is_named_without_being_quoted(column: str, value: object, words: str) -> None:
    with pytest.raises(ContractError, match=words) as caught:
        to_records(pd.DataFrame([{**_row(0), column: value}]), label_count=3, image_size_px=SIDE)
    assert "36.6" not in str(caught.value)
