"""Where the lead of boosted trees comes from: their evidence for one modality in the place of a network's.

Trees are fitted to each modality of a finished cell of `bench/study.py` alone. The evidence of a modality, what its
model adds to the log-odds of the train prevalence, is taken from the network or from the trees, every combination is
added up and, a second time, weighed per label on val by logistic regression; expected AUROC of both on test.

Run: python bench/substitute.py OUT [--task conditions] [--data-seed 11] [--models ...] [--tuned FILE]
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from study import context, oracle_of
from study_cell import MAIN, PRESETS, Cell

from flows.context import RunContext
from medpatch.config.name import Modality, Split
from medpatch.evaluate.expected import expected_auroc
from medpatch.evaluate.prediction import read_predictions
from medpatch.feature.opening import open_index
from medpatch.feature.table import read_table
from medpatch.model.baseline.boosted_trees import fit_trees

SEED = 1


def network_evidence(run: RunContext, split: Split, base: NDArray) -> NDArray:
    """(N, M, K) of the unimodal networks, in the order of the stays in the shards; zero where absent."""
    modalities = run.config.modality.modalities
    index = open_index(run.tensor_dir, split, modalities=modalities)
    file = run.prediction_dir / "predictions.parquet"
    said = read_predictions(file, split, label_names=run.config.labels)
    order = np.argsort(said.stay_id)
    place = order[np.searchsorted(said.stay_id, index.stay_id.numpy(), sorter=order)]
    here = index.presence.numpy()
    logit = [said.models[f"unimodal_{m}"].logit[place] for m in modalities]
    return np.stack([np.where(here[:, [i]], one - base, 0.0) for i, one in enumerate(logit)], axis=1)


def tree_evidence(run: RunContext, modality: Modality, base: NDArray) -> tuple[NDArray, NDArray]:
    """(N, K) of val and test by trees on one modality; zero where absent."""
    table = {s: read_table(run.tensor_dir, s, modalities=(modality,)) for s in Split}
    trees = fit_trees(
        table[Split.TRAIN].value,
        table[Split.TRAIN].label,
        val_features=table[Split.VAL].value,
        val_label=table[Split.VAL].label,
        feature_names=table[Split.TRAIN].names,
        learning_rate=run.config.train.rate.boosted_trees,
        seed=SEED,
        threads=1,
    )
    parts = (table[s].value for s in (Split.VAL, Split.TEST))
    # the first column says whether the stay has the modality
    return tuple(np.where(value[:, :1] > 0, trees.logits(value) - base, 0.0) for value in parts)


def weighed(val: NDArray, test: NDArray, label: NDArray) -> NDArray:
    """(N, K) logits of one regression per label on val (n, M, K)."""
    found = []
    for k in range(label.shape[1]):
        model = LogisticRegression().fit(val[:, :, k], label[:, k])
        found.append(model.decision_function(test[:, :, k]))
    return np.stack(found, axis=1)


def main(run: RunContext) -> None:
    """Print the table."""
    modalities = run.config.modality.modalities
    index = {s: open_index(run.tensor_dir, s, modalities=modalities) for s in Split}
    share = index[Split.TRAIN].label.numpy().mean(axis=0)
    base = np.log(share / (1 - share))
    trees = [tree_evidence(run, m, base) for m in modalities]
    val, test = (
        {"network": network_evidence(run, s, base), "trees": np.stack([pair[i] for pair in trees], axis=1)}
        for i, s in enumerate((Split.VAL, Split.TEST))
    )
    label = index[Split.VAL].label.numpy()
    oracle = oracle_of(run, index[Split.TEST].stay_id.numpy())
    probability = oracle["+".join(modalities)]
    print("| " + " | ".join([*modalities, "added up", "weighed on val"]) + " |")
    print("|---" * (len(modalities) + 2) + "|")
    for source in itertools.product(("network", "trees"), repeat=len(modalities)):
        one, two = (np.stack([part[s][:, i] for i, s in enumerate(source)], axis=1) for part in (val, test))
        scores = two.sum(axis=1), weighed(one, two, label)
        print("| " + " | ".join([*source, *(f"{expected_auroc(s, probability):.4f}" for s in scores)]) + " |")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", help="folder of a study that has the cell")
    parser.add_argument("--task", choices=list(PRESETS), default="conditions")
    parser.add_argument("--data-seed", type=int, default=11)
    parser.add_argument("--train-seed", type=int, default=0)
    parser.add_argument("--models", default="all", help="as the study was given")
    parser.add_argument("--tuned", type=Path, help="as the study was given")
    chosen = parser.parse_args(arguments)
    if chosen.out is None:
        parser.print_help()
    return chosen


if __name__ == "__main__":
    chosen = parse()
    if chosen.out is not None:
        rates = json.loads(chosen.tuned.read_text()).get(chosen.task, {}) if chosen.tuned else {}
        cell = Cell(chosen.task, chosen.data_seed, chosen.train_seed, MAIN, chosen.models, tuple(rates.items()))
        main(context(cell, chosen.out.resolve()))
