"""A prediction table that is not whole is refused with what is wrong and where."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpatch.config.error import ContractError
from medpatch.config.name import PHENOTYPES, Split, Task, label_names
from medpatch.evaluate.prediction import read_predictions, refuse_other_stays

from .made_up import made_up_rows, write_manifest, write_rows

Rows = dict[str, np.ndarray]
LABELS = label_names(Task.IN_HOSPITAL_MORTALITY)


@pytest.fixture
def rows() -> Rows:
    return made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=20)


def test_shuffled_rows_come_back_as_matrices_in_stay_and_label_order(tmp_path: Path) -> None:
    rows = made_up_rows(Task.PHENOTYPING, stays=6)
    order = np.random.default_rng(0).permutation(len(rows["logit"]))
    path = write_rows({name: column[order] for name, column in rows.items()}, tmp_path)
    found = read_predictions(path, Split.TEST, label_names=PHENOTYPES)
    mine = (rows["model"] == "medpatch") & (rows["split"] == "test")
    np.testing.assert_array_equal(found.models["medpatch"].logit, rows["logit"][mine].reshape(6, 25))
    np.testing.assert_array_equal(found.label, rows["label"][mine].reshape(6, 25))


def test_every_model_is_read_with_its_availability(rows: Rows, tmp_path: Path) -> None:
    found = read_predictions(write_rows(rows, tmp_path), Split.VAL, label_names=LABELS)
    assert set(found.models) == set(rows["model"])
    assert found.models["medpatch"].is_available.all()
    assert not found.models["unimodal_cxr"].is_available.all()


def spoil(column: str, value: float | str) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        rows[column] = rows[column].astype(object)
        rows[column][-1] = value
        return rows

    return change


def drop_last(rows: Rows) -> Rows:
    return {name: column[:-1] for name, column in rows.items()}


def double_last(rows: Rows) -> Rows:
    return {name: np.concatenate([column, column[-1:]]) for name, column in rows.items()}


def drop_a_stay_of_one_model(rows: Rows) -> Rows:
    keep = ~((rows["model"] == "late") & (rows["stay_id"] == rows["stay_id"].max()))
    return {name: column[keep] for name, column in rows.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("probability", float("nan")), "1 of 160 values of probability are NaN.*model 'unimodal_rr'"),
        (spoil("logit", float("inf")), "1 of 160 values of logit are NaN or out of range"),
        (spoil("probability", 1.5), "1 of 160 values of probability are NaN or out of range"),
        (spoil("label", 2), "labels other than 0 and 1"),
        (spoil("label_name", "shock"), "1 rows with labels that the task does not have"),
        (double_last, "21 test rows, expected 20 stays x 1 labels"),
        (drop_a_stay_of_one_model, "other stays"),
        (drop_last, "other stays"),
    ],
)
def test_broken_table_is_refused(change: Callable[[Rows], Rows], message: str, rows: Rows, tmp_path: Path) -> None:
    path = write_rows(change(rows), tmp_path)
    with pytest.raises(ContractError, match=message):
        read_predictions(path, Split.TEST, label_names=LABELS)


def test_split_without_stays_is_refused(tmp_path: Path) -> None:
    path = write_rows(made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=5, splits=(Split.VAL,)), tmp_path)
    with pytest.raises(ContractError, match="the test split is empty"):
        read_predictions(path, Split.TEST, label_names=LABELS)


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        read_predictions(tmp_path / "predictions.parquet", Split.TEST, label_names=LABELS)


def test_absent_column_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"model": ["medpatch"], "split": ["test"]}), tmp_path / "p.parquet")
    with pytest.raises(ContractError, match="'logit'.* are absent"):
        read_predictions(tmp_path / "p.parquet", Split.TEST, label_names=LABELS)


def test_stays_of_the_manifest_are_accepted(rows: Rows, tmp_path: Path) -> None:
    found = read_predictions(write_rows(rows, tmp_path), Split.TEST, label_names=LABELS)
    refuse_other_stays(found, write_manifest(rows, tmp_path / "tensor"))


def test_stays_that_do_not_match_the_manifest_are_refused(rows: Rows, tmp_path: Path) -> None:
    found = read_predictions(write_rows(rows, tmp_path), Split.TEST, label_names=LABELS)
    other = {name: column.copy() for name, column in rows.items()}
    other["stay_id"][other["stay_id"] == 31_000_003] = 31_999_999
    with pytest.raises(ContractError, match=r"1 of 20 manifest stays missing and 1 .*first stay_id 31000003"):
        refuse_other_stays(found, write_manifest(other, tmp_path / "tensor"))
