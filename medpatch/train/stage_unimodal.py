"""Stage 1: one modality learns to predict the labels alone, on the stays that have it."""

import logging
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Modality, Split, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.model.build import build_unimodal
from medpatch.model.checkpoint import save
from medpatch.train.batching import in_order, shuffled
from medpatch.train.cache import Ragged, collect_inputs, collect_pooled
from medpatch.train.calibrate import split_val
from medpatch.train.fit import FitSettings, LogMetric, Progress, Select, fit
from medpatch.train.freeze import freeze, set_training
from medpatch.train.opening import choose_device, input_spec, open_split
from medpatch.train.result import StageResult, finishing, read_result, scratch
from medpatch.train.seed import derive_seed, deterministic
from medpatch.train.step import encode_step, pooled_step, unimodal_step

logger = logging.getLogger(__name__)

FEWEST_TRAIN_STAYS = 8
NOTES = (Modality.RR, Modality.DN)


def run_unimodal(
    config: PipelineConfig,
    tensor_dir: Path,
    modality: Modality,
    out_dir: Path,
    *,
    inputs: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> StageResult:
    """Train encoder, projection and head of one modality and write them to `out_dir`.

    A modality with too few train stays, or labels that never vary on them, is dropped: the folder then holds
    only the result that says so.

    Args:
        config: the run.
        tensor_dir: shards.
        modality: which one.
        out_dir: folder to make.
        inputs: digest of what the result depends on, for `contract.artifact.is_current`.
        log_metric: called with (name, value, epoch).
        progress: called with (epochs done, epochs at most).

    Raises:
        ConfigError: the encoder cannot be loaded, or the loss became nan.
        ContractError: the tensors are not whole.
    """
    spec, data = input_spec(tensor_dir)
    name, settings = f"unimodal {modality}", config.train
    device = choose_device(settings.device)
    seed = derive_seed(settings.seed, Stage.UNIMODAL, modality)
    with scratch(out_dir) as folder, deterministic(seed):
        train, val = (
            collect_inputs(
                open_split(tensor_dir, split, (modality,), required=(modality,)),
                modality,
                folder / split,
                chunk_tokens=spec.note_chunk_tokens,
            )
            for split in (Split.TRAIN, Split.VAL)
        )
        selection, _ = val_parts(val.subject_id, config)
        reason = too_little(train)
        if reason:
            logger.warning("%s dropped: %s", name, reason)
            result = StageResult(Stage.UNIMODAL, name, modality, True, reason, len(train), 0)
            with finishing(out_dir, result, None, inputs=inputs):
                return result
        network = build_unimodal(config.model, spec, modality=modality).to(device)
        if modality in NOTES and config.model.encoder.is_note_frozen:
            freeze(network.encoder)
            set_training(network, is_training=False)
            step, val_step = (
                pooled_step(
                    network,
                    collect_pooled(part, encode_step(network, part, device=device), batch_size=settings.batch_size),
                    part.label,
                    device=device,
                )
                for part in (train, val)
            )
        else:
            views = torch.Generator().manual_seed(seed) if settings.augment_cxr else None
            step = unimodal_step(network, train, device=device, generator=views)
            val_step = unimodal_step(network, val, device=device)
        fitted = fit(
            network,
            step,
            train_batches=lambda epoch: shuffled(
                train.length, batch_size=settings.batch_size, seed=derive_seed(seed, epoch)
            ),
            val_step=val_step,
            val_batches=lambda: (selection[i] for i in in_order(val.length[selection], batch_size=settings.batch_size)),
            settings=fit_settings(config, settings.unimodal_epochs, Select.AUROC),
            name=name,
            log_metric=log_metric,
            progress=progress,
        )
        result = StageResult(Stage.UNIMODAL, name, modality, False, "", len(train), len(selection))
        with finishing(out_dir, result, fitted, inputs=inputs) as aside:
            save(aside, network.cpu(), kind="unimodal", model=config.model, spec=spec, data=data)
    return read_result(out_dir)


def fit_settings(config: PipelineConfig, epochs: int, select: Select) -> FitSettings:
    """The loop's settings for one stage."""
    return FitSettings(
        epochs=epochs,
        patience_epochs=config.train.patience_epochs,
        learning_rate=config.train.learning_rate,
        weight_decay=config.train.weight_decay,
        gradient_clip_norm=config.train.gradient_clip_norm,
        select=select,
    )


def val_parts(subject_id: Tensor, config: PipelineConfig) -> tuple[Tensor, Tensor]:
    """Indices of the val stays for selection and for calibration."""
    return split_val(subject_id, share=config.train.calibration_share, seed=config.split.seed)


def too_little(train: Ragged) -> str:
    """Why a modality cannot be trained on these stays, or an empty text."""
    if len(train) < FEWEST_TRAIN_STAYS:
        return f"{len(train)} train stays have it, at least {FEWEST_TRAIN_STAYS} are needed"
    if not bool((train.label.amax(dim=0) > train.label.amin(dim=0)).any()):
        return f"every label has one class among the {len(train)} train stays that have it"
    return ""
