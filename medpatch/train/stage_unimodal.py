"""Stage 1: one modality learns to predict the labels alone, on the stays that have it."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Modality, Split, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import Select
from medpatch.data.held_out import split_val
from medpatch.feature.batching import in_order, shuffled
from medpatch.feature.encode import raw_inputs
from medpatch.feature.opening import input_spec, open_index
from medpatch.feature.seed import derive_seed, deterministic
from medpatch.feature.split import open_features
from medpatch.model.build import build_unimodal
from medpatch.model.checkpoint import save
from medpatch.model.spec import InputSpec
from medpatch.model.unimodal import Unimodal
from medpatch.train.fit import fit
from medpatch.train.freeze import freeze
from medpatch.train.record import FitSettings, LogMetric, Progress, Step
from medpatch.train.result import StageResult, finish
from medpatch.train.session import open_session
from medpatch.train.step import pooled_step, unimodal_step

logger = logging.getLogger(__name__)

FEWEST_TRAIN_STAYS = 8


@dataclass(frozen=True)
class _Part:
    """The n stays of a split that have the modality, and how a network is run on them."""

    label: Tensor
    subject_id: Tensor
    length: Tensor
    step: Callable[..., Step]


def run_unimodal(
    config: PipelineConfig,
    tensor_dir: Path,
    *,
    modality: Modality,
    out_dir: Path,
    inputs: str,
    log_metric: LogMetric,
    feature_dir: Path | None = None,
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
        feature_dir: what the encoder left, if it is one that never trains; then only projection and head are.
        progress: called with (epochs done, epochs at most).

    Raises:
        ConfigError: the encoder cannot be loaded, or the loss became nan.
        ContractError: the tensors are not whole.
    """
    spec, data = input_spec(tensor_dir)
    name, settings = f"unimodal {modality}", config.train
    seed = derive_seed(settings.seed, Stage.UNIMODAL, modality)
    views = torch.Generator().manual_seed(seed)
    session = open_session(settings, out_dir, inputs=inputs, generators=(views,))
    with ExitStack() as stack, deterministic(seed):
        # before anything draws a number: an encoder that is made from the seed is the same wherever it is made
        network = build_unimodal(config.model, spec, modality=modality).to(session.device)
        if feature_dir is not None:
            freeze(network.encoder)
        train, val = (
            _frozen_part(tensor_dir, split, modality=modality, feature_dir=feature_dir, data=data)
            if feature_dir is not None
            else _moving_part(tensor_dir, split, modality=modality, spec=spec, out_dir=out_dir, stack=stack)
            for split in (Split.TRAIN, Split.VAL)
        )
        selection, _ = val_parts(val.subject_id, config)
        reason = too_little(train.label)
        if reason:
            logger.warning("%s dropped: %s", name, reason)
            result = StageResult(Stage.UNIMODAL, name, modality, True, reason, len(train.label), 0)
            return finish(out_dir, result, fitted=None, inputs=inputs, session=session)
        fitted = fit(
            network,
            train.step(network, device=session.device, generator=views if settings.augment_cxr else None),
            train_batches=lambda epoch: shuffled(
                train.length, batch_size=settings.batch_size, seed=derive_seed(seed, epoch)
            ),
            val_step=val.step(network, device=session.device),
            val_batches=lambda: (selection[i] for i in in_order(val.length[selection], batch_size=settings.batch_size)),
            settings=fit_settings(config, "unimodal", epochs=settings.unimodal_epochs, select=settings.unimodal_select),
            name=name,
            log_metric=log_metric,
            progress=progress,
            session=session,
        )
        result = StageResult(Stage.UNIMODAL, name, modality, False, "", len(train.label), len(selection))
        return finish(
            out_dir,
            result,
            fitted=fitted,
            inputs=inputs,
            session=session,
            save=lambda aside: save(aside, network.cpu(), kind="unimodal", model=config.model, spec=spec, data=data),
        )


def fit_settings(config: PipelineConfig, part: str, *, epochs: int, select: Select) -> FitSettings:
    """The loop's settings for one stage or rival."""
    return FitSettings(
        epochs=epochs,
        patience_epochs=config.train.patience_epochs,
        learning_rate=config.train.rate_of(part),
        weight_decay=config.train.weight_decay,
        gradient_clip_norm=config.train.gradient_clip_norm,
        select=select,
    )


def val_parts(subject_id: Tensor, config: PipelineConfig) -> tuple[Tensor, Tensor]:
    """Indices of the val stays for selection and for calibration."""
    parts = split_val(subject_id.numpy(), config)
    return torch.from_numpy(parts.selection), torch.from_numpy(parts.held_out)


def too_little(label: Tensor) -> str:
    """Why a modality cannot be trained on stays with these labels (n, K), or an empty text."""
    if len(label) < FEWEST_TRAIN_STAYS:
        return f"fewer than the {FEWEST_TRAIN_STAYS} train stays that are needed have it"
    if not bool((label.amax(dim=0) > label.amin(dim=0)).any()):
        return f"every label has one class among the {len(label)} train stays that have it"
    return ""


def _moving_part(
    tensor_dir: Path, split: Split, *, modality: Modality, spec: InputSpec, out_dir: Path, stack: ExitStack
) -> _Part:
    part = stack.enter_context(raw_inputs(tensor_dir, split, modality=modality, spec=spec, beside=out_dir))

    def step(network: Unimodal, *, device: torch.device, generator: torch.Generator | None = None) -> Step:
        return unimodal_step(network, part, device=device, generator=generator)

    return _Part(part.label, part.subject_id, part.length, step)


def _frozen_part(tensor_dir: Path, split: Split, *, modality: Modality, feature_dir: Path, data: str) -> _Part:
    index = open_index(tensor_dir, split, modalities=(modality,))
    cached = open_features(feature_dir, modality, data=data).split(split)
    place = index.place(cached.stay_id)
    label = index.label[place]

    def step(network: Unimodal, *, device: torch.device, generator: torch.Generator | None = None) -> Step:
        return pooled_step(network, cached.pooled, label=label, device=device)

    return _Part(label, index.subject_id[place], torch.ones(len(cached)), step)
