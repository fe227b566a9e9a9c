"""Boosted trees: the one rival without an encoder; they read summaries of the raw tensors."""

from pathlib import Path

import numpy as np
import torch

from medpatch.config.name import Rival, Split, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.feature.dirs import StageDirs
from medpatch.feature.opening import input_spec
from medpatch.feature.seed import derive_seed
from medpatch.feature.table import FeatureTable, read_table
from medpatch.model.baseline.boosted_trees import Trees, fit_trees
from medpatch.model.checkpoint_rival import save_tree_rival
from medpatch.train.auroc import macro_auroc
from medpatch.train.loss import label_loss
from medpatch.train.record import EpochRecord, FitResult, LogMetric, Progress
from medpatch.train.result import StageResult, finish
from medpatch.train.session import open_session

LARGEST_SEED = 2**31 - 1


def run_trees(
    config: PipelineConfig,
    tensor_dir: Path,
    *,
    out_dir: Path,
    earlier: StageDirs,
    inputs: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> StageResult:
    """Fit boosted trees on the modalities that were not dropped; arguments as in `stage_rival.run_rival`.

    The val split chooses the number of trees, as it chooses epochs elsewhere. The history has one row.
    """
    spec, data = input_spec(tensor_dir)
    session, name = open_session(config.train, inputs=inputs), str(Rival.BOOSTED_TREES)
    train, val = (read_table(tensor_dir, split, modalities=earlier.modalities) for split in (Split.TRAIN, Split.VAL))
    trees = fit_trees(
        train.value,
        train.label,
        val_features=val.value,
        val_label=val.label,
        feature_names=train.names,
        learning_rate=config.train.rate_of(name),
        seed=derive_seed(config.train.seed, name) % LARGEST_SEED,
        threads=torch.get_num_threads(),
        progress=progress,
    )
    train_loss, _ = _judge(trees, train)
    val_loss, val_auroc = _judge(trees, val)
    record = EpochRecord(0, train_loss, val_loss, val_auroc, config.train.rate_of(name))
    logged = {"train/loss": train_loss, "val/loss": val_loss, "val/auroc": val_auroc}
    for metric, value in (logged | {"train/learning_rate": record.learning_rate}).items():
        if np.isfinite(value):
            log_metric(metric, value, 0)
    result = StageResult(Stage.FUSION, name, None, False, "", len(train.label), len(val.label))
    return finish(
        out_dir,
        result,
        fitted=FitResult(record, (record,)),
        inputs=inputs,
        session=session,
        save=lambda aside: save_tree_rival(
            aside, trees, modalities=earlier.modalities, model=config.model, spec=spec, data=data
        ),
    )


def _judge(trees: Trees, table: FeatureTable) -> tuple[float, float]:
    """Mean label loss and macro AUROC; nan where there is nothing."""
    if not len(table.label):
        return float("nan"), float("nan")
    logits, label = torch.from_numpy(trees.logits(table.value)).float(), torch.from_numpy(table.label).float()
    return float(label_loss(logits, label)), macro_auroc(logits, label)[0]
