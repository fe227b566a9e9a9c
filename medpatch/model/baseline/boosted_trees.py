"""Gradient-boosted trees over summary features: what a sceptic would try first. Imports no torch."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from medpatch.config.error import CheckpointError

Floats = NDArray[np.floating]
DESCRIPTION = "trees.json"
MOST_ROUNDS, FEWEST_ROUNDS, PATIENCE_ROUNDS = 600, 100, 40
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "num_leaves": 15,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True)
class Trees:
    """One ensemble of trees per label.

    Attributes:
        booster: K of them; None for a label that had one class in training.
        prior_logit: (K,) log-odds of the train prevalence, said where there are no trees.
        feature_names: F names of the columns that they read.
    """

    booster: tuple[lightgbm.Booster | None, ...]
    prior_logit: Floats
    feature_names: tuple[str, ...]

    def logits(self, features: Floats) -> Floats:
        """(n, K) from features (n, F).

        Raises:
            ValueError: there are not F columns.
        """
        if features.shape[1] != len(self.feature_names):
            raise ValueError(
                f"boosted trees read {len(self.feature_names)} columns, got {features.shape[1]}; "
                "make them with summarise_stays for the modalities of the training"
            )
        found = np.tile(self.prior_logit, (len(features), 1))
        for k, booster in enumerate(self.booster):
            if booster is not None and len(features):
                found[:, k] = booster.predict(features, raw_score=True)
        return found


def fit_trees(
    features: Floats,
    label: NDArray,
    *,
    val_features: Floats,
    val_label: NDArray,
    feature_names: Sequence[str],
    learning_rate: float,
    seed: int,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Trees:
    """Trees of every label; their number is the one with the smallest loss on val.

    Args:
        features: (n, F) of the train stays; NaN is missing.
        label: (n, K) of 0 and 1.
        val_features: (v, F) of the stays that choose the number of rounds.
        val_label: (v, K); a label with one class there gets a fixed number of rounds.
        feature_names: F names.
        learning_rate: shrinkage of each tree.
        seed: of the samples of rows and columns.
        threads: of LightGBM; 0 = all cores.
        progress: called with (labels done, labels).

    Source: Ke et al. 2017 (LightGBM), the library's own code. Deviates from its default parameters: see PARAMETERS;
    trees are small, see few columns each and are stopped by validation.
    """
    labels = label.shape[1]
    smallest_leaf = max(1, min(20, len(features) // 50))
    parameters = PARAMETERS | {
        "learning_rate": learning_rate,
        "seed": seed,
        "num_threads": threads,
        "min_data_in_leaf": smallest_leaf,
        "min_data_in_bin": min(3, smallest_leaf),
    }
    share = np.clip(label.mean(axis=0, dtype=float), 1e-4, 1 - 1e-4)
    boosters = []
    # binned once, then only the label changes
    train = lightgbm.Dataset(features, label[:, 0], params=parameters, free_raw_data=False)
    val = lightgbm.Dataset(val_features, val_label[:, 0], reference=train, params=parameters, free_raw_data=False)
    for k in range(labels):
        boosters.append(_fit_label(parameters, train, val=val, label=label[:, k], val_label=val_label[:, k]))
        if progress is not None:
            progress(k + 1, labels)
    return Trees(tuple(boosters), np.log(share) - np.log1p(-share), tuple(feature_names))


def save_trees(folder: Path, trees: Trees) -> None:
    """Write one text file per label and a description into an existing folder."""
    for k, booster in enumerate(trees.booster):
        if booster is not None:
            booster.save_model(folder / _file(k))
    description = {
        "labels": [booster is not None for booster in trees.booster],
        "prior_logit": trees.prior_logit.tolist(),
        "feature_names": trees.feature_names,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description))


def load_trees(folder: Path) -> Trees:
    """What `save_trees` wrote.

    Raises:
        CheckpointError: a file is absent, unreadable or of other columns.
    """
    try:
        text = json.loads((folder / DESCRIPTION).read_text())
        has_trees, names = list(text["labels"]), tuple(text["feature_names"])
        prior = np.array(text["prior_logit"], float)
        boosters = tuple(
            lightgbm.Booster(model_file=folder / _file(k)) if here else None for k, here in enumerate(has_trees)
        )
    except (OSError, ValueError, KeyError, TypeError, lightgbm.basic.LightGBMError) as error:
        raise CheckpointError(
            f"{folder}: no readable boosted trees ({type(error).__name__}); train again or name another folder"
        ) from error
    widths = {booster.num_feature() for booster in boosters if booster is not None}
    if not widths <= {len(names)} or len(prior) != len(boosters):
        raise CheckpointError(f"{folder}: trees for {sorted(widths)} columns, {len(names)} are named; train again")
    return Trees(boosters, prior, names)


def _fit_label(
    parameters: dict[str, Any],
    train: lightgbm.Dataset,
    *,
    val: lightgbm.Dataset,
    label: NDArray,
    val_label: NDArray,
) -> lightgbm.Booster | None:
    if label.min() == label.max():
        return None
    train.construct().set_label(label.astype(np.float32))
    if not len(val_label) or val_label.min() == val_label.max():
        return lightgbm.train(parameters, train, FEWEST_ROUNDS)
    val.construct().set_label(val_label.astype(np.float32))
    stop = lightgbm.early_stopping(PATIENCE_ROUNDS, verbose=False)
    return lightgbm.train(parameters, train, MOST_ROUNDS, valid_sets=[val], callbacks=[stop])


def _file(label: int) -> str:
    return f"label-{label:02d}.txt"
