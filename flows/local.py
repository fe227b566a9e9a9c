"""Runs without a deployment: the same flows, called from the command line."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from flows.align import align
from flows.context import RunContext
from flows.evaluate import evaluate
from flows.extract import extract
from flows.failure import named_loss
from flows.outcome import say_outcome
from flows.pipeline import full_pipeline
from flows.train import train
from medpatch.config.runner import RunnerConfig
from medpatch.contract.refresh import Step

FLOWS = {
    "extracted_dir": extract,
    "tensor_dir": align,
    "checkpoint_dir": train,
    "report_dir": evaluate,
}
"""Which flow ends with which folder of the RunContext."""


def run_locally(
    artefact: str,
    run: RunContext,
    *,
    overrides: Mapping[str, Any],
    refresh: Collection[Step] = (),
    runner: RunnerConfig | None = None,
) -> Path:
    """Run until one artefact exists; print where it is, and the result table if it is the report.

    Raises:
        MedPatchError: whatever a step raised on purpose.
        ServerLostError: the Prefect server stopped answering.
    """
    flow = full_pipeline if artefact == "report_dir" else FLOWS[artefact]
    with named_loss():
        flow(
            preset=run.preset,
            raw_dir=run.paths.raw_dir,
            work_dir=run.paths.work_dir,
            overrides=dict(overrides),
            refresh=tuple(refresh),
            runner=runner,
            **({} if run.table_dir is None else {"table_dir": run.table_dir}),
        )
    return say_outcome(run, artefact)
