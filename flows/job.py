"""What each stage of a run trains: from a RunContext to the jobs of medpatch.train."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flows.context import RunContext
from medpatch.config.base import digest_of
from medpatch.config.name import UNTRAINED, Modality, Rival, Stage
from medpatch.config.part import is_frozen
from medpatch.contract.artifact import fingerprint

if TYPE_CHECKING:  # these import torch
    from medpatch.feature.dirs import StageDirs
    from medpatch.train.job import Job


def unimodal_job(run: RunContext, modality: Modality, *, tensors: str) -> "Job":
    """Stage 1: one encoder and its head; `tensors` is the fingerprint of the shards."""
    from medpatch.train.job import Job

    target = run.unimodal_dir(modality)
    feature_dir = run.feature_dir(modality) if is_frozen(run.config, modality) else None
    inputs = digest_of(target.name, run.encoder_dir.name, tensors)
    return Job(Stage.UNIMODAL, run.config, run.tensor_dir, target, inputs, modality=modality, feature_dir=feature_dir)


def confidence_job(run: RunContext, modality: Modality) -> "Job":
    """Stage 2 and its calibration: how sure one token makes the model.

    Raises:
        ContractError: stage 1 has not been trained.
    """
    from medpatch.train.job import Job

    target, feature_dir = run.confidence_dir(modality), run.feature_dir(modality)
    inputs = digest_of(target.name, fingerprint(run.unimodal_dir(modality)))
    return Job(Stage.CONFIDENCE, run.config, run.tensor_dir, target, inputs, modality=modality, feature_dir=feature_dir)


def fusion_job(run: RunContext, earlier: "StageDirs") -> "Job":
    """Stage 3: fusion on frozen encoders, or on encoders that move along.

    Raises:
        ContractError: an earlier stage has not been trained.
    """
    from medpatch.train.job import Job

    target, before = run.fusion_dir(), (*earlier.unimodal.values(), *earlier.confidence.values())
    inputs = digest_of(target.name, _prints(before))
    return Job(Stage.FUSION, run.config, run.tensor_dir, target, inputs, earlier=earlier)


def rival_job(run: RunContext, rival: Rival, *, earlier: "StageDirs") -> "Job":
    """A rival, on the same stage-1 models.

    Raises:
        ContractError: a stage-1 model has not been trained.
    """
    from medpatch.train.job import Job

    target = run.rival_dir(rival)
    inputs = digest_of(target.name, _prints(earlier.unimodal.values()))
    return Job(Stage.FUSION, run.config, run.tensor_dir, target, inputs, rival=rival, earlier=earlier)


def model_jobs(run: RunContext, earlier: "StageDirs") -> "Iterator[Job]":
    """MedPatch and every rival that is trained; none of them reads another."""
    yield fusion_job(run, earlier)
    for rival in trained_rivals(run):
        yield rival_job(run, rival, earlier=earlier)


def trained_rivals(run: RunContext) -> list[Rival]:
    """The rivals that have weights of their own."""
    return [rival for rival in run.config.evaluate.rivals if rival not in UNTRAINED]


def earlier_dirs(run: RunContext, kept: Iterable[Modality]) -> "StageDirs":
    """Where the stages before fusion left what these modalities have."""
    from medpatch.feature.dirs import StageDirs

    kept = tuple(kept)
    return StageDirs(
        unimodal={m: run.unimodal_dir(m) for m in kept},
        feature={m: run.feature_dir(m) for m in kept},
        confidence={m: run.confidence_dir(m) for m in kept},
        pool={m: run.pool_dir(m) for m in kept},
    )


def _prints(folders: Iterable[Path]) -> list[str]:
    return [fingerprint(folder) for folder in folders]
