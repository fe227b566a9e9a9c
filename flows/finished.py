"""What a finished run was made from and left, found again without a server: nothing here imports prefect or mlflow."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from flows.collect import note_use
from flows.context import RunContext
from flows.entry import dead_entries
from medpatch.align.cxr import image_fingerprint
from medpatch.config.base import digest_of
from medpatch.config.code import EXTRACT_CODE, GATE_CODE, MODEL_CODE, TENSOR_CODE
from medpatch.config.path import code_digest
from medpatch.contract.artifact import fingerprint, is_current, is_whole, replace_text
from medpatch.contract.refresh import is_refreshing
from medpatch.track.find import has_open_run, has_run
from medpatch.track.run import TrackedRun, open_tracking

RECORD, TRAIN_RECORD = "mlflow_run.json", "mlflow_train.json"
"""Files in the run's folder: what the whole run left, and what its training did."""


def staging_inputs(run: RunContext) -> str:
    """Digest of what the staged tables are made from."""
    return digest_of(run.raw_fingerprint)


def table_inputs(run: RunContext, staging: str) -> str:
    """Digest of what the mart tables are made from."""
    return digest_of(run.data_dir.name, staging)


def tensor_inputs(run: RunContext, tables: str) -> str:
    """Digest of what the shards are made from."""
    return digest_of(run.data_dir.name, tables, image_fingerprint(run.warehouse_dir, run.source.cxr_dir))


def table_gate(run: RunContext) -> Path:
    """Outcome of the gate on the tables."""
    return run.data_dir / "1_warehouse_gate"


def tensor_gate(run: RunContext) -> Path:
    """Outcome of the gate on the tensors."""
    return run.data_dir / "2_tensor_gate"


def run_inputs(run: RunContext, tensors: str) -> str:
    """Digest of what training, and evaluation but for the oracle, are made from."""
    return digest_of(run.run_dir.name, run.encoder_digest, tensors, run.made_up, code_digest(MODEL_CODE))


def whole_inputs(run: RunContext, tensors: str) -> str:
    """Digest of what training and evaluation together are made from."""
    return digest_of(run_inputs(run, tensors), run.oracle_digest)


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
    return None if is_refreshing() else recorded_run(run, inputs, record_name=record_name)


def recorded_run(run: RunContext, inputs: str, *, record_name: str = RECORD) -> TrackedRun | None:
    """The same, whether or not a step is to be done again."""
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


def is_done(run: RunContext, artefact: str) -> bool:
    """True if that artefact and all that it rests on are current, so that a run would find nothing to do.

    An MLflow run that a killed process left open is something to do: a run closes it. The use of the folders is
    noted for `medpatch gc`, as a run would.

    Args:
        run: the run.
        artefact: `extracted_dir`, `tensor_dir`, `checkpoint_dir` or `report_dir` of the run.
    """
    tables = current_tables(run)
    if not tables or _is_left_open(run):
        return False
    if artefact == "extracted_dir" and run.table_dir is not None:
        if not is_current(run.table_dir, inputs=tables):
            return False
    elif artefact != "extracted_dir":
        tensors = current_tensors(run, tables)
        if not tensors:
            return False
        records: Mapping[str, tuple[str, str]] = {
            "checkpoint_dir": (run_inputs(run, tensors), TRAIN_RECORD),
            "report_dir": (whole_inputs(run, tensors), RECORD),
        }
        if artefact in records:
            inputs, record_name = records[artefact]
            if finished_run(run, inputs, record_name=record_name) is None:
                return False
    note_use(run, (run.staging_dir, run.data_dir))
    return True


def _is_left_open(run: RunContext) -> bool:
    """True if a process of this work folder that is gone left an MLflow run open."""
    dead = (run_id for _, entry in dead_entries(run.paths) for run_id in entry["mlflow_runs"])
    return has_open_run(open_tracking(run.paths), dead)


def current_tables(run: RunContext) -> str:
    """Fingerprint of the gated tables; nothing if they, or what they rest on, are not current."""
    tables = _current(run.staging_dir, inputs=staging_inputs(run), packages=EXTRACT_CODE) and _current(
        run.warehouse_dir, inputs=table_inputs(run, fingerprint(run.staging_dir)), packages=EXTRACT_CODE
    )
    return tables if tables and _current(table_gate(run), inputs=tables, packages=GATE_CODE) else ""


def current_tensors(run: RunContext, tables: str) -> str:
    """Fingerprint of the gated tensors made from these tables; nothing if they are not current."""
    tensors = _current(run.tensor_dir, inputs=tensor_inputs(run, tables), packages=TENSOR_CODE)
    return tensors if tensors and _current(tensor_gate(run), inputs=tensors, packages=GATE_CODE) else ""


def _current(target: Path, *, inputs: str, packages: tuple[str, ...]) -> str:
    """Its fingerprint, or nothing if it is not current."""
    return fingerprint(target) if is_current(target, inputs=inputs, packages=packages) else ""
