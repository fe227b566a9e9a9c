"""Models and shards to predictions.parquet; the reported head is settled here, before test is judged."""

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.code import PREDICTION_CODE
from medpatch.config.error import CheckpointError, ContractError
from medpatch.config.name import Rival, Split
from medpatch.config.part import is_frozen
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import Head
from medpatch.contract.artifact import fingerprint, writing
from medpatch.contract.prediction import PREDICTION_SCHEMA
from medpatch.evaluate.forward import Progress, SplitLogits, collect
from medpatch.evaluate.metric import auroc, macro
from medpatch.evaluate.name import MEDPATCH
from medpatch.evaluate.prediction import HEAD_FILE, PREDICTION_FILE, read_predictions, refuse_other_stays
from medpatch.evaluate.stacking import add_stacking, left_out
from medpatch.evaluate.zoo import HEADS, load_zoo
from medpatch.feature.dirs import StageDirs
from medpatch.feature.opening import SplitIndex, choose_device, open_index

logger = logging.getLogger(__name__)


def choose_head(config: PipelineConfig, val: SplitLogits) -> Head:
    """The reported head: the configured one, or the best macro AUROC on validation.

    Deviates: the published report takes the best of five heads on the test split itself.
    """
    if config.evaluate.head is not Head.VALIDATION:
        return config.evaluate.head
    score = {
        h: macro(auroc(val.logit[f"{MEDPATCH}_{h}"], val.label)).value for h in HEADS if f"{MEDPATCH}_{h}" in val.logit
    }
    known = {h: value for h, value in score.items() if np.isfinite(value)}
    if not known:
        logger.warning("head: no label has two classes in the val split, so the late head is reported")
        return Head.LATE
    return max(known, key=known.get)


def write_predictions(
    splits: Mapping[Split, SplitLogits],
    target: Path,
    *,
    config: PipelineConfig,
    inputs: str,
    tensor_dir: Path,
) -> Path:
    """Write predictions.parquet and head.json into the folder `target`; the reported head becomes "medpatch".

    What was written is read back and compared with the manifest before the folder gets its name.

    Raises:
        ContractError: NaN, a stay and label that is absent or doubled, or other stays than the manifest's.
    """
    reported = choose_head(config, splits[Split.VAL])
    with writing(target, inputs=inputs, packages=PREDICTION_CODE) as aside:
        with pq.ParquetWriter(aside / PREDICTION_FILE, PREDICTION_SCHEMA, compression="zstd") as writer:
            for split, found in splits.items():
                for model in found.logit:
                    for name in _names(model, reported):
                        writer.write_table(_rows(found, model, name=name, split=split, label_names=config.labels))
        chosen_by = "validation" if config.evaluate.head is Head.VALIDATION else "configuration"
        for split in splits:
            written = read_predictions(aside / PREDICTION_FILE, split, label_names=config.labels)
            refuse_other_stays(written, tensor_dir)
        (aside / HEAD_FILE).write_text(json.dumps({"head": str(reported), "chosen_by": chosen_by}))
    return target / PREDICTION_FILE


def predict_all(
    models: Mapping[str, Path],
    earlier: StageDirs,
    *,
    tensor_dir: Path,
    config: PipelineConfig,
    target: Path,
    inputs: str,
    progress: Progress | None = None,
) -> Path:
    """Predict validation and test with every model of a run, without running a frozen encoder again.

    Args:
        models: checkpoint folder of "medpatch" and of each trained rival, by name.
        earlier: folders of the stages before: unimodal models, features and pools.
        tensor_dir: shards and manifest.
        config: of the run; names the head.
        target: folder to make: predictions.parquet and head.json.
        inputs: digest of checkpoints, tensors and config.
        progress: called with (batches done, batches of both splits).

    Returns:
        Path of predictions.parquet.

    Raises:
        CheckpointError: a checkpoint is absent, or belongs to other data or labels.
        ContractError: a split is empty, or stays differ from the manifest.
    """
    device = choose_device(config.train.device)
    moving = tuple(m for m in earlier.modalities if config.train.fine_tune and not is_frozen(config, m))
    zoo = load_zoo(models, earlier, moving=moving, device=device, data=fingerprint(tensor_dir))
    if zoo.label_names != config.labels:
        pairs = zip_longest(zoo.label_names, config.labels)
        place, (found, wanted) = next((k, pair) for k, pair in enumerate(pairs) if pair[0] != pair[1])
        raise CheckpointError(
            f"{models[MEDPATCH]}: trained for {len(zoo.label_names)} labels, and label {place} is {found!r}; of the "
            f"{len(config.labels)} of {config.cohort.task} it is {wanted!r}; name the checkpoint folder of this run"
        )
    index = {split: _index(tensor_dir, split, earlier=earlier) for split in (Split.VAL, Split.TEST)}
    size = config.evaluate.batch_size
    total, before, splits = sum(-(-len(part) // size) for part in index.values()), 0, {}
    for split, part in index.items():
        with ExitStack() as stack:
            splits[split] = collect(
                zoo.forwards(split, part, tensor_dir, beside=target, stack=stack),
                part,
                batch_size=size,
                prevalence=zoo.prevalence,
                with_ensemble=Rival.ENSEMBLE in config.evaluate.rivals,
                progress=None if progress is None else lambda done, _, offset=before: progress(offset + done, total),
            )
        before += -(-len(part) // size)
    evidence = zoo.medpatch.fusion.evidence
    if evidence is not None:
        heads = zoo.late_heads(Split.VAL, index[Split.VAL], tensor_dir, beside=target, batch_size=size)
        late = f"{MEDPATCH}_{Head.LATE}"
        splits[Split.VAL] = left_out(splits[Split.VAL], late, evidence.cpu(), *heads)
    if Rival.STACKING in config.evaluate.rivals:
        splits = add_stacking(splits, earlier.modalities, prevalence=zoo.prevalence)
    return write_predictions(
        splits,
        target,
        config=config,
        inputs=inputs,
        tensor_dir=tensor_dir,
    )


def _index(tensor_dir: Path, split: Split, *, earlier: StageDirs) -> SplitIndex:
    found = open_index(tensor_dir, split, modalities=earlier.modalities)
    if not len(found):
        raise ContractError(
            f"{tensor_dir}: the {split} split has no stay; look at the split fractions and at stay_index"
        )
    return found


def _names(model: str, reported: Head) -> tuple[str, ...]:
    """The reported head is "medpatch"; high and low also keep their own rows."""
    if model != f"{MEDPATCH}_{reported}":
        return (model,)
    return (MEDPATCH,) if reported is Head.LATE else (MEDPATCH, model)


def _rows(found: SplitLogits, model: str, *, name: str, split: Split, label_names: tuple[str, ...]) -> pa.Table:
    logit = found.logit[model]
    stays, labels = logit.shape
    return pa.table(
        {
            "model": pa.repeat(name, stays * labels),
            "split": pa.repeat(str(split), stays * labels),
            "subject_id": np.repeat(found.subject_id, labels),
            "stay_id": np.repeat(found.stay_id, labels),
            "label_name": pa.array(label_names).take(pa.array(np.tile(np.arange(labels), stays))),
            "label": found.label.ravel(),
            "logit": logit.ravel(),
            "probability": 1 / (1 + np.exp(-np.clip(logit.ravel(), -700, 700))),
            "is_available": np.repeat(found.is_available[model], labels),
        },
        schema=PREDICTION_SCHEMA,
    )
