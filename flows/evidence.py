"""Extraction and alignment in MLflow: one child run each, with the rows they kept and their gates."""

from pathlib import Path

from flows.context import RunContext
from flows.finished import table_gate, tensor_gate
from flows.show import read_rows
from flows.step import step
from medpatch.track.evidence import log_accounting, log_environment, log_gates
from medpatch.track.log import log_metrics, log_report
from medpatch.track.run import TrackedRun, child_run
from medpatch.validate.index import INDEX

ACCOUNTS = ("cohort_attrition", "row_account")


@step("track-data")
def track_data(run: RunContext, parent: TrackedRun) -> None:
    """What the run rests on: rows kept, stays per split and modality, gates, environment."""
    log_environment(parent)
    tables = {name: read_rows(run.warehouse_dir, name) for name in ACCOUNTS}
    log_accounting(parent, tables)
    with child_run(parent, "extract", model="none", tags={"stage": "extract"}) as child:
        log_accounting(child, tables)
        log_metrics(child, {f"stays_left/{row['criterion']}": row["stays_left"] for row in tables["cohort_attrition"]})
        _log_gate(child, table_gate(run))
    with child_run(parent, "align", model="none", tags={"stage": "align"}) as child:
        log_metrics(child, _presence(run))
        _log_gate(child, tensor_gate(run))


def track_gates(run: RunContext, parent: TrackedRun) -> None:
    """Every gate of the run, and the page that lists those of the work folder."""
    gates = (table_gate(run), tensor_gate(run), run.run_dir / "4_prediction_gate")
    log_gates(parent, gates, with_counts=False)
    for gate in gates:
        log_report(parent, gate, folder=f"gate/{gate.name}")
    index = run.paths.work_dir / INDEX
    if index.is_file():
        parent.tracking.client().log_artifact(parent.run_id, str(index), artifact_path="gate")


def _log_gate(child: TrackedRun, gate: Path) -> None:
    log_gates(child, (gate,))
    log_report(child, gate, folder="gate")


def _presence(run: RunContext) -> dict[str, float]:
    from medpatch.data.spec import tensor_spec

    spec = tensor_spec(run.tensor_dir)
    stays = {f"stays/{split}": float(count) for split, count in spec.stay_count.items()}
    having = {f"stays_with/{split}/{m}": float(n) for split, by in spec.presence_count.items() for m, n in by.items()}
    return stays | having
