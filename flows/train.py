"""Tensors to checkpoints: unimodal, confidence, fusion, rivals; one MLflow child run per model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow
from prefect.logging import get_run_logger

from flows.ahead import may_spread, train_ahead
from flows.align import align_steps
from flows.collect import note_use
from flows.context import RunContext
from flows.ensure import ensure
from flows.extract import extract_steps
from flows.feature import encode_modality, pool_modality
from flows.finished import TRAIN_RECORD, finished_run, remember, run_inputs
from flows.gpu import gpu_slot
from flows.job import confidence_job, earlier_dirs, fusion_job, rival_job, trained_rivals, unimodal_job
from flows.parameter import NO_OVERRIDES, Overrides, Preset, RawDir, Refresh, RunnerSettings, WorkDir, described
from flows.progress import progress_bar
from flows.start import start
from flows.step import step
from flows.tracking import tracked
from medpatch.config.base import digest_of
from medpatch.config.code import STAGE_CODE
from medpatch.config.name import Modality, Rival
from medpatch.config.part import is_frozen
from medpatch.contract.artifact import fingerprint, is_current, writing
from medpatch.track.log import live_metrics, log_history
from medpatch.track.run import TrackedRun, child_run

if TYPE_CHECKING:  # these import torch
    from medpatch.feature.dirs import StageDirs
    from medpatch.train.job import Job

MODELS = "models.json"


@dataclass(frozen=True)
class Trained:
    """What training left.

    Attributes:
        earlier: folders of the stages before fusion, for each modality that was not dropped.
        models: checkpoint folder of MedPatch ("medpatch") and of each trained rival.
        dropped: stage-1 folders of the modalities that were dropped.
        children: MLflow child run of each model that was trained, by model name.
    """

    earlier: "StageDirs"
    models: Mapping[str, Path]
    dropped: tuple[Path, ...]
    children: Mapping[str, TrackedRun]

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder of weights, in training order; caches are not among them."""
        stages = (*self.earlier.unimodal.values(), *self.earlier.confidence.values())
        return (*self.dropped, *stages, *self.models.values())

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of those folders."""
        return tuple(map(fingerprint, self.folders))


@step("train-unimodal", run_name="train-unimodal-{modality}")
def train_unimodal(run: RunContext, modality: Modality, *, tensors: str, parent: TrackedRun) -> TrackedRun:
    """Stage 1: one encoder and its head."""
    job = unimodal_job(run, modality, tensors=tensors)
    return _train(job, parent, name=f"unimodal-{modality}", model=f"unimodal_{modality}")


@step("train-confidence", run_name="train-confidence-{modality}")
def train_confidence(run: RunContext, modality: Modality, *, parent: TrackedRun) -> TrackedRun:
    """Stage 2 and its calibration: how sure one token makes the model."""
    return _train(confidence_job(run, modality), parent, name=f"confidence-{modality}", model=f"confidence_{modality}")


@step("train-fusion")
def train_fusion(run: RunContext, earlier: "StageDirs", *, parent: TrackedRun) -> TrackedRun:
    """Stage 3: fusion on frozen encoders, or on encoders that move along."""
    return _train(fusion_job(run, earlier), parent, name="fusion", model="medpatch")


@step("train-rival", run_name="train-{rival}")
def train_rival(run: RunContext, rival: Rival, *, earlier: "StageDirs", parent: TrackedRun) -> TrackedRun:
    """A rival, on the same stage-1 models."""
    return _train(rival_job(run, rival, earlier=earlier), parent, name=str(rival), model=str(rival))


def train_steps(run: RunContext, tensors: str, *, parent: TrackedRun) -> Trained:
    """All of training; a modality with too little to train on is left out and named."""
    note_use(run, (run.encoder_dir, run.model_dir, *(run.feature_dir(m) for m in run.config.modality.modalities)))
    children: dict[str, TrackedRun] = {}
    kept, dropped = [], []
    if may_spread(run):
        train_ahead([run], [tensors])
    for modality in run.config.modality.modalities:
        if train_modality(run, modality, tensors=tensors, parent=parent, children=children):
            kept.append(modality)
        else:
            dropped.append(run.unimodal_dir(modality))
    earlier = earlier_dirs(run, kept)
    children["medpatch"] = train_fusion(run, earlier, parent=parent)
    models = {"medpatch": run.fusion_dir()}
    for rival in trained_rivals(run):
        children[str(rival)] = train_rival(run, rival, earlier=earlier, parent=parent)
        models[str(rival)] = run.rival_dir(rival)
    trained = Trained(earlier, models, tuple(dropped), children)
    _list_models(run, trained)
    note_use(run, (*trained.folders, *earlier.feature.values(), *earlier.pool.values()))
    return trained


def train_modality(
    run: RunContext, modality: Modality, *, tensors: str, parent: TrackedRun, children: dict[str, TrackedRun]
) -> bool:
    """Stages 1 and 2 of a modality and what they leave for fusion; False if it has too little to train on."""
    from medpatch.train.result import read_result

    if is_frozen(run.config, modality):
        encode_modality(run, modality, tensors=tensors)
    children[f"unimodal_{modality}"] = train_unimodal(run, modality, tensors=tensors, parent=parent)
    result = read_result(run.unimodal_dir(modality))
    if result.is_dropped:
        get_run_logger().warning("%s is left out of this run: %s", modality, result.reason)
        return False
    if not is_frozen(run.config, modality):
        encode_modality(run, modality, tensors=tensors)
    children[f"confidence_{modality}"] = train_confidence(run, modality, parent=parent)
    pool_modality(run, modality)
    return True


@flow(name="train", flow_run_name="{preset}")
@described
def train(
    preset: Preset,
    raw_dir: RawDir = None,
    *,
    work_dir: WorkDir = None,
    refresh: Refresh = (),
    runner: RunnerSettings = None,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Everything up to the checkpoints; what is current is reused."""
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh, runner=runner)
    tensors = align_steps(run, extract_steps(run))
    inputs = run_inputs(run, tensors)
    finished = finished_run(run, inputs, record_name=TRAIN_RECORD)
    if finished is not None:
        get_run_logger().info("nothing changed: the models and MLflow run %s are current", finished.run_id)
        note_use(run)
        return
    with tracked(run) as parent, gpu_slot(run.config):
        trained = train_steps(run, tensors, parent=parent)
    weights = (run.checkpoint_dir, *trained.folders)
    remember(run, parent, inputs=inputs, folders=weights, record_name=TRAIN_RECORD)


def _list_models(run: RunContext, trained: Trained) -> None:
    """Say where the weights are; they lie in folders that runs share."""
    inputs = digest_of(trained.fingerprints)
    if is_current(run.checkpoint_dir, inputs=inputs):
        return
    named = {f"unimodal_{m}": folder for m, folder in trained.earlier.unimodal.items()} | dict(trained.models)
    with writing(run.checkpoint_dir, inputs=inputs) as aside:
        text = {name: str(folder.relative_to(run.paths.work_dir)) for name, folder in named.items()}
        (aside / MODELS).write_text(json.dumps(text, indent=1))


def _train(job: "Job", parent: TrackedRun, *, name: str, model: str) -> TrackedRun:
    """Train unless the checkpoint is current; either way the child run shows how training went."""
    from medpatch.evaluate.name import title
    from medpatch.train.launch import run_job
    from medpatch.train.result import read_history

    with child_run(parent, name, model=model, title=title(model), tags={"stage": name}) as child:

        def make() -> None:
            with progress_bar(f"training {name}") as progress, live_metrics(child) as log_metric:
                run_job(job, log_metric=log_metric, progress=progress)

        if is_current(job.out_dir, inputs=job.inputs, packages=STAGE_CODE):
            log_history(child, read_history(job.out_dir))
        else:
            ensure(job.out_dir, inputs=job.inputs, packages=STAGE_CODE, make=make)
    return child
