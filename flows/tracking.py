"""The MLflow side of a run: opened when there is something to do, found again when there is not."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.context import RunContext
from flows.failure import explained
from flows.journal import note_mlflow_run
from medpatch.config.base import digest_of
from medpatch.config.code import MODEL_CODE
from medpatch.config.path import code_digest
from medpatch.contract.artifact import fingerprint, is_whole, replace_text
from medpatch.contract.refresh import is_refreshing
from medpatch.track.evidence import system_metrics
from medpatch.track.find import has_run
from medpatch.track.run import TrackedRun, open_tracking, parent_run

RECORD, TRAIN_RECORD = "mlflow_run.json", "mlflow_train.json"
"""Files in the run's folder: what the whole run left, and what its training did."""


@contextmanager
def tracked(run: RunContext) -> Iterator[TrackedRun]:
    """The MLflow parent run of this pipeline run; marked FAILED if the block raises."""
    from medpatch.evaluate.name import MEDPATCH, title

    with (
        explained("mlflow"),
        parent_run(
            open_tracking(run.paths),
            run.config,
            preset=run.preset,
            data_digest=run.data_digest,
            made_up=run.made_up is not None,
            title=title(MEDPATCH),
            arm=run.arm,
        ) as parent,
        system_metrics(parent),
    ):
        note_mlflow_run(run.paths, parent.run_id)
        yield parent


def run_inputs(run: RunContext, tensors: str) -> str:
    """Digest of what training, and evaluation but for the oracle, are made from."""
    return digest_of(run.run_dir.name, run.encoder_digest, tensors, run.made_up, code_digest(MODEL_CODE))


def remember(
    run: RunContext, parent: TrackedRun, *, inputs: str, folders: Iterable[Path], record_name: str = RECORD
) -> None:
    """Note what the finished run was made from, what it left, and which MLflow run shows it.

    Args:
        run: the run.
        parent: its MLflow run.
        inputs: digest of what it was made from.
        folders: what it left, and the weights that it shares with other runs; no caches, they may go.
        record_name: file for the note.
    """
    left = {str(folder.relative_to(run.paths.work_dir)): fingerprint(folder) for folder in folders}
    record = {
        "tracking_uri": run.paths.tracking_uri,
        "run_id": parent.run_id,
        "experiment_id": parent.experiment_id,
        "inputs": inputs,
        "folders": left,
    }
    replace_text(run.run_dir / record_name, json.dumps(record, indent=1))


def finished_run(run: RunContext, inputs: str, *, record_name: str = RECORD) -> TrackedRun | None:
    """Its MLflow run, if a run from these inputs finished and every folder it left is still whole; else None.

    None too while a step is to be done again.
    """
    if is_refreshing():
        return None
    try:
        record = json.loads((run.run_dir / record_name).read_text())
        same = record["inputs"] == inputs and record["tracking_uri"] == run.paths.tracking_uri
        whole = all(
            is_whole(run.paths.work_dir / name) and fingerprint(run.paths.work_dir / name) == digest
            for name, digest in record["folders"].items()
        )
        found = TrackedRun(open_tracking(run.paths), record["run_id"], record["experiment_id"], {})
        return found if same and whole and has_run(found.tracking, found.run_id) else None
    except (OSError, ValueError, KeyError):
        return None
