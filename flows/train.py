"""Tensors to checkpoints: unimodal, confidence, fusion; one MLflow child run per step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.logging import get_run_logger

from flows.align import align_steps
from flows.context import RunContext
from flows.extract import extract_steps
from flows.gpu import gpu_slot
from flows.parameter import Overrides, Preset, RawDir, Refresh, RunnerSettings, WorkDir
from flows.progress import progress_bar
from flows.start import start
from flows.step import step
from flows.tracking import tracked
from medpatch.config.base import digest_of
from medpatch.config.code import STAGE_CODE
from medpatch.config.name import Modality
from medpatch.contract.artifact import fingerprint, is_current
from medpatch.track.log import live_metrics, log_history
from medpatch.track.run import TrackedRun, child_run

Earlier = tuple[str, ...]
"""Fingerprints of the checkpoints that a step builds on."""


@dataclass(frozen=True)
class Trained:
    """What training left.

    Attributes:
        fingerprints: of every checkpoint folder, in training order.
        children: MLflow child run of each model that was trained, by model name.
    """

    fingerprints: tuple[str, ...]
    children: Mapping[str, TrackedRun]


@step("train-unimodal", run_name="train-unimodal-{modality}")
def train_unimodal(run: RunContext, modality: Modality, tensors: str, parent: TrackedRun) -> TrackedRun:
    """Stage 1: one encoder and its head."""
    from medpatch.train import stage

    return _stage(
        run,
        parent,
        name=f"unimodal-{modality}",
        model=f"unimodal_{modality}",
        inputs=digest_of(run.run_dir.name, tensors),
        train=lambda target, **ways: stage.run_unimodal(run.config, run.tensor_dir, modality, target, **ways),
    )


@step("train-confidence", run_name="train-confidence-{modality}")
def train_confidence(run: RunContext, modality: Modality, unimodal: str, parent: TrackedRun) -> TrackedRun:
    """Stage 2 and its calibration: how sure one token makes the model."""
    from medpatch.train import stage

    return _stage(
        run,
        parent,
        name=f"confidence-{modality}",
        model=f"confidence_{modality}",
        inputs=digest_of(run.run_dir.name, unimodal),
        train=lambda target, **ways: stage.run_confidence(
            run.config,
            run.tensor_dir,
            modality,
            target,
            unimodal_dir=_folder(run, "unimodal", modality),
            **ways,
        ),
    )


@step("train-fusion")
def train_fusion(
    run: RunContext, kept: tuple[Modality, ...], earlier: tuple[str, ...], parent: TrackedRun
) -> TrackedRun:
    """Stage 3: fusion on frozen encoders."""
    from medpatch.train import stage

    return _stage(
        run,
        parent,
        name="fusion",
        model="medpatch",
        inputs=digest_of(run.run_dir.name, earlier),
        train=lambda target, **ways: stage.run_fusion(
            run.config,
            run.tensor_dir,
            target,
            unimodal_dirs={m: _folder(run, "unimodal", m) for m in kept},
            confidence_dirs={m: _folder(run, "confidence", m) for m in kept},
            **ways,
        ),
    )


@step("train-early")
def train_early(
    run: RunContext, kept: tuple[Modality, ...], earlier: tuple[str, ...], parent: TrackedRun
) -> TrackedRun:
    """The early-fusion rival, on the same stage-1 models."""
    from medpatch.train import stage

    return _stage(
        run,
        parent,
        name="early",
        model="early",
        inputs=digest_of(run.run_dir.name, earlier),
        train=lambda target, **ways: stage.run_early(
            run.config, run.tensor_dir, target, unimodal_dirs={m: _folder(run, "unimodal", m) for m in kept}, **ways
        ),
    )


def train_steps(run: RunContext, tensors: str, parent: TrackedRun) -> Trained:
    """All of training; a modality with too little to train on is left out and named."""
    from medpatch.train.result import read_result

    children: dict[str, TrackedRun] = {}
    unimodal, confidence, kept = [], [], []
    for modality in run.config.modality.modalities:
        children[f"unimodal_{modality}"] = train_unimodal(run, modality, tensors, parent)
        unimodal.append(fingerprint(_folder(run, "unimodal", modality)))
        result = read_result(_folder(run, "unimodal", modality))
        if result.is_dropped:
            get_run_logger().warning("%s is left out of this run: %s", modality, result.reason)
            continue
        kept.append(modality)
        children[f"confidence_{modality}"] = train_confidence(run, modality, unimodal[-1], parent)
        confidence.append(fingerprint(_folder(run, "confidence", modality)))
    children["medpatch"] = train_fusion(run, tuple(kept), (*unimodal, *confidence), parent)
    children["early"] = train_early(run, tuple(kept), tuple(unimodal), parent)
    fused = [fingerprint(run.checkpoint_dir / name) for name in ("fusion", "early")]
    return Trained((*unimodal, *confidence, *fused), children)


@flow(name="train")
def train(
    preset: Preset,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Overrides = None,
    *,
    refresh: Refresh = (),
    runner: RunnerSettings = None,
) -> None:
    """Everything up to the checkpoints; what is current is reused."""
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh, runner=runner)
    tensors = align_steps(run, extract_steps(run))
    with tracked(run) as parent, gpu_slot(run.config):
        train_steps(run, tensors, parent)


def _folder(run: RunContext, stage: str, modality: Modality) -> Path:
    return run.checkpoint_dir / f"{stage}-{modality}"


def _stage(run: RunContext, parent: TrackedRun, *, name: str, model: str, inputs: str, train: Any) -> TrackedRun:
    """Train unless the checkpoint is current; either way the child run shows how training went."""
    from medpatch.train.result import read_history

    target = run.checkpoint_dir / name
    with child_run(parent, name, model=model, tags={"stage": name}) as child:
        if is_current(target, inputs=inputs, packages=STAGE_CODE):
            log_history(child, read_history(target))
        else:
            with progress_bar(f"training {name}") as progress, live_metrics(child) as log_metric:
                train(target, inputs=inputs, log_metric=log_metric, progress=progress)
    return child
