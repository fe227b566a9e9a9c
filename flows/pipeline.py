"""The whole job: extract, align, train, evaluate, in that order."""

from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger

from flows.align import align_steps
from flows.context import RunContext
from flows.evaluate import evaluated_run, model_steps
from flows.extract import extract_steps
from flows.hand_over import hand_over
from flows.parameter import NO_OVERRIDES, Overrides, Preset, RawDir, Refresh, RunnerSettings, WorkDir, described
from flows.start import start
from medpatch.config.preset import PresetName
from medpatch.config.runner import Training
from medpatch.contract.refresh import refresh_from


def pipeline_steps(run: RunContext) -> Path:
    """Every step of one run; the report folder."""
    return report_steps(run, table_steps(run))


def table_steps(run: RunContext) -> str:
    """Everything up to the gated tables; their fingerprint."""
    get_run_logger().info("encoders %s", run.encoder_digest)  # fails here if a pretrained one is not to be had
    return extract_steps(run)


def report_steps(run: RunContext, warehouse_fingerprint: str) -> Path:
    """Everything after the tables, here or from the tensors on by another run; the report folder."""
    tensors = align_steps(run, warehouse_fingerprint)
    if run.runner.training is Training.GPU_QUEUE and evaluated_run(run, tensors) is None:
        hand_over(run, tensors)
        refresh_from(())  # the other run has done again what was to be
    return model_steps(run, tensors)


@flow(name="medpatch", flow_run_name="{preset}")
@described
def full_pipeline(
    preset: Preset = PresetName.tiny_in_hospital_mortality,
    raw_dir: RawDir = None,
    *,
    work_dir: WorkDir = None,
    refresh: Refresh = (),
    runner: RunnerSettings = None,
    overrides: Overrides = NO_OVERRIDES,
) -> Path:
    """From raw MIMIC files to an evaluated MedPatch run; what is current is reused.

    Returns:
        The folder of the report.
    """
    places = {"raw_dir": raw_dir, "work_dir": work_dir}
    run = start(preset, **places, overrides=overrides, refresh=refresh, runner=runner, hands_over=True)
    get_run_logger().info("data %s, run %s", run.data_dir.name, run.run_dir.name)
    return pipeline_steps(run)
