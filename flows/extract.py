"""Raw MIMIC files to mart tables, layer by layer, then the table gate."""

import shutil
from pathlib import Path

from prefect import flow

from flows.collect import note_use
from flows.context import RunContext
from flows.ensure import ensure
from flows.finished import staging_inputs, table_gate, table_inputs
from flows.gate import publish_gate
from flows.parameter import (
    NO_OVERRIDES,
    Overrides,
    Preset,
    RawDir,
    Refresh,
    RunnerSettings,
    TableDir,
    WorkDir,
    described,
)
from flows.progress import progress_bar
from flows.show import show_cohort
from flows.start import start
from flows.step import step
from medpatch.config.code import EXTRACT_CODE
from medpatch.contract.artifact import writing
from medpatch.validate.gate import gate_warehouse


@step("stage-raw-tables")
def stage_raw_tables(run: RunContext) -> str:
    """Parse the raw files once; the fingerprint of the Parquet folder that all configurations share."""
    inputs = staging_inputs(run)

    def make() -> None:
        from medpatch.extract.staging import build_staging

        with progress_bar("parsing raw tables") as progress:
            build_staging(run.source, run.staging_dir, inputs=inputs, progress=progress)

    return ensure(run.staging_dir, inputs=inputs, packages=EXTRACT_CODE, make=make)


@step("build-tables")
def build_tables(run: RunContext, staging_fingerprint: str) -> str:
    """Run sql/ layer by layer; the fingerprint of the warehouse folder."""
    inputs = table_inputs(run, staging_fingerprint)

    def make() -> None:
        from medpatch.extract.run import build_warehouse

        with progress_bar("building tables") as progress:
            build_warehouse(
                run.source,
                run.config,
                out_dir=run.warehouse_dir,
                inputs=inputs,
                staging_dir=run.staging_dir,
                progress=progress,
            )

    made = ensure(run.warehouse_dir, inputs=inputs, packages=EXTRACT_CODE, make=make)
    show_cohort(run)
    return made


@step("gate-tables")
def gate_tables(run: RunContext, warehouse_fingerprint: str) -> None:
    """Judge every table; nothing downstream starts if a critical expectation fails."""
    publish_gate(
        table_gate(run),
        judge=lambda progress: gate_warehouse(run.warehouse_dir, run.config, progress=progress),
        inputs=warehouse_fingerprint,
        key="table-gate",
    )


@step("copy-tables")
def copy_tables(run: RunContext, table_dir: Path, *, warehouse_fingerprint: str) -> None:
    """What passed the gate, in the user's folder; until then that holds what it held."""

    def make() -> None:
        with writing(table_dir, inputs=warehouse_fingerprint) as aside:
            for file in sorted(run.warehouse_dir.glob("*.parquet")):
                shutil.copyfile(file, aside / file.name)

    ensure(table_dir, inputs=warehouse_fingerprint, packages=(), make=make)


def extract_steps(run: RunContext) -> str:
    """All of extraction; the fingerprint of the gated warehouse."""
    staging = stage_raw_tables(run)
    warehouse = build_tables(run, staging)
    gate_tables(run, warehouse)
    note_use(run, (run.staging_dir, run.data_dir))
    return warehouse


@flow(name="extract", flow_run_name="{preset}")
@described
def extract(
    preset: Preset,
    raw_dir: RawDir = None,
    *,
    work_dir: WorkDir = None,
    table_dir: TableDir = None,
    refresh: Refresh = (),
    runner: RunnerSettings = None,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Extraction alone."""
    places = {"raw_dir": raw_dir, "work_dir": work_dir, "table_dir": table_dir}
    run = start(preset, **places, overrides=overrides, refresh=refresh, runner=runner)
    warehouse = extract_steps(run)
    if run.table_dir is not None:
        copy_tables(run, run.table_dir, warehouse_fingerprint=warehouse)
