"""MLflow runs: one parent per pipeline run, one child per model or stage; a run that dies is marked FAILED."""

import logging
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from medpatch.config.path import REPOSITORY_DIR, PathConfig, switch_off_telemetry
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.lock import lock
from medpatch.track.experiment import PREFIX, ensure_experiment

if TYPE_CHECKING:  # importing mlflow takes two seconds, so it waits until a run is opened
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

LOCAL_SCHEMES = ("sqlite:", "file:", "/")
SQLITE = "sqlite:///"
PARAMS_PER_BATCH = 100
UNKNOWN, NO_ARM = "unknown", "none"
TITLE = "model_title"
"""Tag: the model as the result tables print it."""
NOTE = "mlflow.note.content"
"""Tag that MLflow shows as the description of a run."""


@dataclass(frozen=True)
class Tracking:
    """Where runs are recorded.

    Attributes:
        uri: MLflow tracking URI.
        artifact_dir: folder for artifacts of new experiments; None where a server decides.
    """

    uri: str
    artifact_dir: Path | None

    def client(self) -> "MlflowClient":
        """A client of this store; holds no global state, so that threads do not disturb each other."""
        switch_off_telemetry()
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri)


@dataclass(frozen=True)
class TrackedRun:
    """One open run.

    Attributes:
        tracking: its store.
        run_id: MLflow's id.
        experiment_id: MLflow's id of the experiment.
        tags: what children inherit: task, profile, data digest, commit, made-up or not, preset.
    """

    tracking: Tracking
    run_id: str
    experiment_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Commit:
    """State of the repository.

    Attributes:
        commit: hexadecimal id, or "unknown" outside a git checkout.
        is_dirty: True if files differ from the commit.
    """

    commit: str
    is_dirty: bool


def open_tracking(paths: PathConfig) -> Tracking:
    """The store that the paths name; its folders exist afterwards.

    Artifacts of a local store go to an absolute folder beside it, whatever the current directory is.
    """
    switch_off_telemetry()
    is_local = paths.tracking_uri.startswith(LOCAL_SCHEMES)
    if is_local:
        paths.work_dir.mkdir(parents=True, exist_ok=True)
        paths.mlflow_artifact_dir.mkdir(parents=True, exist_ok=True)
    return Tracking(uri=paths.tracking_uri, artifact_dir=paths.mlflow_artifact_dir if is_local else None)


@contextmanager
def parent_run(
    tracking: Tracking,
    config: PipelineConfig,
    *,
    preset: str,
    data_digest: str,
    made_up: bool = False,
    model: str = "medpatch",
    title: str | None = None,
    arm: str | None = None,
) -> Iterator[TrackedRun]:
    """The run of a whole pipeline, with the flattened configuration as its parameters.

    Args:
        tracking: from `open_tracking`.
        config: effective configuration.
        preset: name it started from.
        data_digest: names the tensors.
        made_up: True if patients, or the pairing of modalities, are invented.
        model: what is reported.
        title: what the result tables call it; None for what is no model.
        arm: what the run is made with less to read for; None takes the text arms of the configuration.
    """
    commit = git_commit()
    tags = {
        "task": str(config.cohort.task),
        "profile": str(config.cohort.profile),
        "preset": preset,
        "model": model,
        **({} if title is None else {TITLE: title}),
        "modalities": "+".join(config.modality.modalities),
        "arm": arm or "+".join(config.modality.text_arms) or NO_ARM,
        "data_digest": data_digest,
        "made_up": str(made_up).lower(),
        "git_commit": commit.commit,
        "git_dirty": str(commit.is_dirty).lower(),
    }
    client = _first_client(tracking)
    task = str(config.cohort.task)
    place = None if tracking.artifact_dir is None else (tracking.artifact_dir / f"{PREFIX}{task}").as_uri()
    experiment_id = ensure_experiment(client, task, artifact_uri=place)
    name = run_name(preset, config, data_digest=data_digest)
    with _open(client, tracking, experiment_id=experiment_id, name=name, tags=tags) as run:
        log_params(run, config.flatten())
        yield run


@contextmanager
def child_run(
    parent: TrackedRun, name: str, *, model: str, title: str | None = None, tags: Mapping[str, str] | None = None
) -> Iterator[TrackedRun]:
    """A run below `parent`, for one model or one training stage; inherits its tags.

    Args:
        parent: the run above.
        name: of the run.
        model: stable name of the model.
        title: what the result tables call that model; None for what is no model.
        tags: more of them.
    """
    client = parent.tracking.client()
    words = {} if title is None else {TITLE: title, NOTE: f"**{title}** (`{model}`)"}
    own = {**parent.tags, "model": model, **words, **(tags or {}), "mlflow.parentRunId": parent.run_id}
    with _open(client, parent.tracking, experiment_id=parent.experiment_id, name=name, tags=own) as run:
        yield run


def run_name(preset: str, config: PipelineConfig, *, data_digest: str) -> str:
    """A name that fits a narrow column and tells runs apart: size, first digits of configuration and data, seed.

    The task is left out: it is the experiment's.
    """
    size = preset.replace(str(config.cohort.task), "").strip("_") or "full"
    return f"{size} {run_mark(config, data_digest)}"


def run_mark(config: PipelineConfig, data_digest: str) -> str:
    """What tells runs of one preset apart: "8384/0f36 s1002"; names in MLflow and in Prefect end in it."""
    return f"{config.digest()[:4]}/{data_digest[:4]} s{config.train.seed}"


def log_params(run: TrackedRun, params: Mapping[str, object]) -> None:
    """Parameters by dotted name; MLflow refuses to change one that is there."""
    from mlflow.entities import Param

    client, items = run.tracking.client(), [Param(name, str(value)) for name, value in params.items()]
    for start in range(0, len(items), PARAMS_PER_BATCH):
        client.log_batch(run.run_id, params=items[start : start + PARAMS_PER_BATCH])


@cache
def git_commit() -> Commit:
    """Commit of the checkout that this package runs from."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return Commit(commit=UNKNOWN, is_dirty=False)
    return Commit(commit=head, is_dirty=bool(_git("status", "--porcelain")))


def _first_client(tracking: Tracking) -> "MlflowClient":
    """A client; a sqlite store is made by one process at a time, for two that make it at once spoil each other's."""
    if not tracking.uri.startswith(SQLITE):
        return tracking.client()
    with lock(Path(tracking.uri.removeprefix(SQLITE))):
        return tracking.client()


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", "-C", str(REPOSITORY_DIR), *arguments), capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@contextmanager
def _open(
    client: "MlflowClient", tracking: Tracking, *, experiment_id: str, name: str, tags: Mapping[str, str]
) -> Iterator[TrackedRun]:
    source = {"mlflow.source.name": "medpatch", "mlflow.source.git.commit": tags.get("git_commit", UNKNOWN)}
    run_id = client.create_run(experiment_id, run_name=name, tags={**tags, **source}).info.run_id
    inherited = {key: value for key, value in tags.items() if not key.startswith("mlflow.")}
    status = "FAILED"
    try:
        yield TrackedRun(tracking, run_id, experiment_id, inherited)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        client.set_terminated(run_id, status=status)
        logger.info("mlflow run %s: %s", name, status)
