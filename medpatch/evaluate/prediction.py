"""predictions.parquet as arrays, refused where it is not whole."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medpatch.config.error import ContractError
from medpatch.config.name import Split
from medpatch.config.train import Head
from medpatch.contract.prediction import PREDICTION_SCHEMA
from medpatch.contract.tensor import MANIFEST
from medpatch.evaluate.name import HEAD_WORDS

PREDICTION_FILE = "predictions.parquet"
HEAD_FILE = "head.json"
"""Beside it: the reported head and what chose it."""


@dataclass(frozen=True)
class ModelPrediction:
    """What one model says about the stays of a split.

    Attributes:
        logit: (N, K).
        probability: (N, K).
        is_available: (N,) bool, False where the model had no input and gives the train prevalence.
    """

    logit: NDArray[np.floating]
    probability: NDArray[np.floating]
    is_available: NDArray[np.bool_]


@dataclass(frozen=True)
class SplitPrediction:
    """All models on the same stays of one split, in ascending stay_id.

    Attributes:
        split: which.
        stay_id: (N,) int64.
        subject_id: (N,) int64.
        label: (N, K) int8.
        label_names: K names.
        models: by name.
    """

    split: Split
    stay_id: NDArray[np.int64]
    subject_id: NDArray[np.int64]
    label: NDArray[np.int8]
    label_names: tuple[str, ...]
    models: Mapping[str, ModelPrediction]


def read_predictions(path: Path, split: Split, *, label_names: Sequence[str]) -> SplitPrediction:
    """Every model's predictions for one split.

    Args:
        path: the Parquet file, PREDICTION_SCHEMA.
        split: which rows.
        label_names: the K labels of the task, in tensor order.

    Raises:
        ContractError: absent file or column, no rows in the split, NaN, a probability outside [0, 1], models
            that disagree on stays or labels, or a stay and label that is absent or doubled.
    """
    table = _read_split(path, split)
    _refuse_bad_numbers(table, path)
    models: dict[str, ModelPrediction] = {}
    first: SplitPrediction | None = None
    for model in sorted(pc.unique(table["model"]).to_pylist()):
        rows = table.filter(pc.equal(table["model"], model))
        one = _one_model(rows, model, path=path, split=split, label_names=tuple(label_names))
        first = first or one
        if not (
            np.array_equal(first.stay_id, one.stay_id)
            and np.array_equal(first.subject_id, one.subject_id)
            and np.array_equal(first.label, one.label)
        ):
            raise ContractError(
                f"{path.name}: model {model!r} has {len(one.stay_id)} {split} stays and other stays, subjects or "
                f"labels than {next(iter(models))!r} with {len(first.stay_id)}; predict all models together"
            )
        models.update(one.models)
    return SplitPrediction(split, first.stay_id, first.subject_id, first.label, first.label_names, models)


def refuse_other_stays(prediction: SplitPrediction, tensor_dir: Path) -> None:
    """Check the stays against the manifest of the shards.

    Raises:
        ContractError: the split holds other stays than the manifest.
    """
    path = tensor_dir / MANIFEST
    try:
        manifest = pq.read_table(path, columns=["stay_id", "split"])
    except (OSError, pa.ArrowInvalid) as error:
        raise ContractError(f"{path}: cannot be read; run the alignment step") from error
    expected = manifest.filter(pc.equal(manifest["split"], str(prediction.split)))["stay_id"].to_numpy()
    missing = np.setdiff1d(expected, prediction.stay_id)
    surplus = np.setdiff1d(prediction.stay_id, expected)
    if len(missing) or len(surplus):
        example = int((surplus if len(surplus) else missing)[0])
        raise ContractError(
            f"{PREDICTION_FILE}: {prediction.split} split has {len(missing)} of {len(expected)} manifest stays "
            f"missing and {len(surplus)} that are not in the manifest (first stay_id {example}); predictions and "
            "tensors come from different runs, predict again"
        )


def refuse_other_runs(runs: Mapping[str, SplitPrediction]) -> None:
    """Check that the runs, by name, predicted the same stays with the same labels and models.

    Raises:
        ContractError: one differs from the first; named.
    """
    (first_name, first), *others = runs.items()
    for name, run in others:
        same = (
            np.array_equal(first.stay_id, run.stay_id)
            and np.array_equal(first.subject_id, run.subject_id)
            and np.array_equal(first.label, run.label)
        )
        if not same:
            raise ContractError(
                f"{name}: its {run.split} split has {len(run.stay_id)} stays and other stays, subjects or labels than "
                f"{first_name} with {len(first.stay_id)}; only runs on identical data can share a table, run both "
                "from the same raw files and cohort"
            )
        missing = sorted(set(first.models) ^ set(run.models))
        if missing:
            raise ContractError(
                f"{name}: its models differ from those of {first_name} by {missing}; set evaluate.rivals alike"
            )


def heads_in_words(prediction_dirs: Sequence[Path]) -> str:
    """Which output of MedPatch the predictions of the runs are of and what chose it; how often where runs differ.

    Raises:
        ContractError: a run does not say it.
    """
    found = Counter(map(_head, prediction_dirs))
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{words} in {times} of {found.total()} trainings" for words, times in found.items())


def _head(prediction_dir: Path) -> str:
    path = prediction_dir / HEAD_FILE
    try:
        found = json.loads(path.read_text())
        return f"{HEAD_WORDS[Head(found['head'])]}, chosen by {found['chosen_by']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContractError(
            f"{path}: does not say which head was predicted and what chose it ({type(error).__name__}: {error}); "
            "run the predict step again"
        ) from error


def _read_split(path: Path, split: Split) -> pa.Table:
    columns = PREDICTION_SCHEMA.names
    try:
        found = pq.read_schema(path).names
        absent = [name for name in columns if name not in found]
        if absent:
            raise ContractError(f"{path}: columns {absent} are absent; found {found}; write PREDICTION_SCHEMA")
        table = pq.read_table(path, columns=columns, filters=[("split", "==", str(split))])
    except (OSError, pa.ArrowInvalid) as error:
        raise ContractError(f"{path}: predictions cannot be read ({error}); run the predict step") from error
    if not table.num_rows:
        raise ContractError(
            f"{path}: the {split} split is empty; the cohort is too small for split.{split}_fraction, "
            "or the predict step left it out"
        )
    return table


def _refuse_bad_numbers(table: pa.Table, path: Path) -> None:
    for column in ("logit", "probability"):
        value = table[column].to_numpy()
        is_bad = ~np.isfinite(value)
        if column == "probability":
            is_bad |= (value < 0) | (value > 1)
        if is_bad.any():
            row = int(np.argmax(is_bad))
            raise ContractError(
                f"{path.name}: {int(is_bad.sum())} of {len(value)} values of {column} are NaN or out of range "
                f"(first: model {table['model'][row].as_py()!r}, stay_id {table['stay_id'][row].as_py()}); "
                "look at the loss curve of that model"
            )


def _one_model(
    rows: pa.Table, model: str, *, path: Path, split: Split, label_names: tuple[str, ...]
) -> SplitPrediction:
    labels = len(label_names)
    where = pc.index_in(rows["label_name"], pa.array(label_names))
    if where.null_count:
        raise ContractError(
            f"{path.name}: model {model!r} has {where.null_count} rows with labels that the task does not have; "
            "the file belongs to another task"
        )
    place, stay = where.to_numpy(), rows["stay_id"].to_numpy()
    order = np.lexsort((place, stay))
    stays = np.unique(stay)
    whole = np.tile(np.arange(labels), len(stays))
    if len(order) != len(whole) or not np.array_equal(place[order], whole):
        raise ContractError(
            f"{path.name}: model {model!r} has {len(order)} {split} rows, expected {len(stays)} stays x {labels} "
            "labels, each once; predict again"
        )

    def matrix(column: str) -> NDArray:
        return rows[column].to_numpy()[order].reshape(-1, labels)

    label = matrix("label").astype(np.int8)
    if ((label != 0) & (label != 1)).any():
        raise ContractError(f"{path.name}: model {model!r} has labels other than 0 and 1; look at the label table")
    prediction = ModelPrediction(
        logit=matrix("logit"),
        probability=matrix("probability"),
        is_available=matrix("is_available").all(axis=1),
    )
    return SplitPrediction(split, stays, matrix("subject_id")[:, 0], label, label_names, models={model: prediction})
