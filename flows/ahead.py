"""Encoders, stages and models of one run or of many, spread over Dask workers ahead of the steps that track them.

A worker is handed paths and a small frozen record, and leaves a finished folder; the steps of the run find it current,
log its curves to MLflow and go on. Nothing else knows whether a folder was made here or there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from prefect.logging import get_run_logger

from flows.context import RunContext
from flows.ensure import Folder, Progress, ensure_folder
from flows.fan import spread_over
from flows.feature import feature_folder, pool_folder
from flows.gpu import wants_gpu
from flows.job import confidence_job, earlier_dirs, model_jobs, unimodal_job
from flows.progress import progress_bar
from flows.step import step
from medpatch.config.code import STAGE_CODE
from medpatch.config.name import Modality
from medpatch.config.part import is_frozen
from medpatch.config.runner import Runner
from medpatch.contract.refresh import note_written, refresh_code, stale_code

if TYPE_CHECKING:  # imports torch
    from medpatch.train.job import Job

Work = TypeVar("Work", "ModalityWork", "ModelWork")
Stale = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class ModalityWork:
    """All that one modality has before fusion: encoder, features, scorer, pool, each made from the one before.

    Attributes:
        run: whose.
        modality: which.
        tensors: fingerprint of the shards.
        stale: code whose folders are made again although they are current.
        is_encoding_alone: the features of an encoder that never trains, which runs share, and no more.
    """

    run: RunContext
    modality: Modality
    tensors: str
    stale: Stale
    is_encoding_alone: bool = False

    @property
    def name(self) -> str:
        """As it is shown in Prefect."""
        return f"{'encode' if self.is_encoding_alone else 'train'} {self.modality}, seed {self.run.config.train.seed}"

    def folders(self) -> Iterator[Folder]:
        """In order; the next may be asked for when the one before is there."""
        from medpatch.train.result import read_result

        if is_frozen(self.run.config, self.modality):
            yield feature_folder(self.run, self.modality, tensors=self.tensors)
        if self.is_encoding_alone:
            return
        yield _trained(unimodal_job(self.run, self.modality, tensors=self.tensors))
        if read_result(self.run.unimodal_dir(self.modality)).is_dropped:
            return
        if not is_frozen(self.run.config, self.modality):
            yield feature_folder(self.run, self.modality, tensors=self.tensors)
        yield _trained(confidence_job(self.run, self.modality))
        yield pool_folder(self.run, self.modality)


@dataclass(frozen=True)
class ModelWork:
    """MedPatch, or a rival."""

    job: "Job"
    stale: Stale

    @property
    def name(self) -> str:
        """As it is shown in Prefect."""
        return f"train {self.job.rival or 'fusion'}, seed {self.job.config.train.seed}"

    def folders(self) -> Iterator[Folder]:
        """The model's."""
        yield _trained(self.job)


def may_spread(run: RunContext) -> bool:
    """True if models are trained on Dask workers.

    A local cluster's processes would share the one GPU of this machine, and a stage that trains in several
    processes uses the machine as it is: both go on here, one after the other.
    """
    if run.runner.runner is not Runner.DASK:
        return False
    if run.config.train.processes > 1:
        get_run_logger().info("train.processes is %d: models are trained here", run.config.train.processes)
        return False
    if run.runner.address is None and wants_gpu(run.config):
        get_run_logger().info("one GPU and a local Dask cluster: models are trained here, one after the other")
        return False
    return True


@step("train-ahead")
def train_ahead(runs: Sequence[RunContext], tensors: Sequence[str]) -> None:
    """Make what training leaves, of every run, as far as it is not there; on the workers of the first run's runner.

    Args:
        runs: each with its own data, seed or settings.
        tensors: fingerprint of the shards of each.

    Raises:
        ServiceError: no Dask scheduler answers.
        MedPatchError: whatever a stage raised on purpose.
    """
    stale = stale_code()
    pairs = list(zip(runs, tensors, strict=True))
    if len(runs) > 1:  # else two workers would want the same features at the same time, and one would wait
        shared = [
            ModalityWork(run, m, fingerprint, stale, is_encoding_alone=True)
            for run, fingerprint in pairs
            for m in run.config.modality.modalities
            if is_frozen(run.config, m)
        ]
        _spread(runs[0], shared, title="encoders", target=lambda work: work.run.feature_dir(work.modality))
    stages = [
        ModalityWork(run, m, fingerprint, stale) for run, fingerprint in pairs for m in run.config.modality.modalities
    ]
    _spread(runs[0], stages, title="stages", target=lambda work: work.run.pool_dir(work.modality))
    models = [ModelWork(job, stale) for run in runs for job in model_jobs(run, earlier_dirs(run, _kept(run)))]
    _spread(runs[0], models, title="models", target=lambda work: work.job.out_dir)


def make_folders(work: ModalityWork | ModelWork) -> None:
    """On a worker: whatever of this is not current."""
    refresh_code(work.stale)
    for folder in work.folders():
        ensure_folder(folder)


def _spread(first: RunContext, works: Iterable[Work], *, title: str, target: Callable[[Work], Any]) -> None:
    wanted = {target(work): work for work in works}
    left = [work for work in wanted.values() if not all(folder.is_current for folder in work.folders())]
    if not left:
        return
    with progress_bar(f"{title} on Dask workers") as progress:
        spread = spread_over(first.runner, title=title, name_of=lambda work: work.name)
        for number, _ in enumerate(spread(make_folders, left), start=1):
            progress(number, len(left))
    for work in left:
        for folder in work.folders():
            note_written(folder.target)


def _trained(job: "Job") -> Folder:
    def make(progress: Progress | None) -> None:
        from medpatch.train.launch import run_job

        run_job(job, log_metric=_nowhere, progress=progress)

    return Folder(job.out_dir, job.inputs, STAGE_CODE, make)


def _nowhere(name: str, value: float, epoch: int) -> None:
    """The curves are in the folder; whoever tracks the run logs them from there."""


def _kept(run: RunContext) -> list[Modality]:
    from medpatch.train.result import read_result

    return [m for m in run.config.modality.modalities if not read_result(run.unimodal_dir(m)).is_dropped]
