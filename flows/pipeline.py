"""The whole job: extract, align, train, evaluate, in that order."""

from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger

from flows.align import align_steps
from flows.context import RunContext
from flows.evaluate import model_steps
from flows.extract import extract_steps
from flows.parameter import Overrides, Preset, RawDir, Refresh, RunnerSettings, WorkDir
from flows.start import start
from medpatch.config.preset import PresetName


def pipeline_steps(run: RunContext) -> Path:
    """Every step of one run; the report folder."""
    get_run_logger().info("encoders %s", run.encoder_digest)  # fails here if a pretrained one is not to be had
    warehouse = extract_steps(run)
    tensors = align_steps(run, warehouse)
    return model_steps(run, tensors)


@flow(name="medpatch", flow_run_name="{preset}")
def full_pipeline(
    preset: Preset = PresetName.tiny_in_hospital_mortality,
    raw_dir: RawDir = None,
    *,
    work_dir: WorkDir = None,
    overrides: Overrides = None,
    refresh: Refresh = (),
    runner: RunnerSettings = None,
) -> Path:
    """From raw MIMIC files to an evaluated MedPatch run; what is current is reused.

    Args:
        preset: named configuration.
        raw_dir: folder with the MIMIC data sets; default MEDPATCH_RAW_DIR, else work/raw.
        work_dir: folder for everything that is written; default MEDPATCH_WORK_DIR, else work.
        overrides: single fields by dotted name, for example {"train.seed": 3}.

    Returns:
        The folder of the report.
    """
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh, runner=runner)
    get_run_logger().info("data %s, run %s", run.data_dir.name, run.run_dir.name)
    return pipeline_steps(run)
