"""Raw MIMIC files to mart tables, layer by layer, then the table gate."""

from pathlib import Path
from typing import Any

from prefect import flow

from flows.context import RunContext
from flows.gate import publish_gate
from flows.progress import progress_bar
from flows.start import start
from flows.step import step
from medpatch.config.base import digest_of
from medpatch.config.code import EXTRACT_CODE
from medpatch.config.preset import PresetName
from medpatch.contract.artifact import fingerprint, is_current
from medpatch.validate.gate import gate_warehouse


@step("stage-raw-tables")
def stage_raw_tables(run: RunContext) -> str:
    """Parse the raw files once; the fingerprint of the Parquet folder that all configurations share."""
    inputs = digest_of(run.raw_fingerprint)
    if not is_current(run.staging_dir, inputs=inputs, packages=EXTRACT_CODE):
        from medpatch.extract.staging import build_staging

        with progress_bar("parsing raw tables") as progress:
            build_staging(run.source, run.staging_dir, inputs=inputs, progress=progress)
    return fingerprint(run.staging_dir)


@step("build-tables")
def build_tables(run: RunContext, staging_fingerprint: str) -> str:
    """Run sql/ layer by layer; the fingerprint of the warehouse folder."""
    inputs = digest_of(run.data_dir.name, staging_fingerprint)
    if not is_current(run.warehouse_dir, inputs=inputs, packages=EXTRACT_CODE):
        from medpatch.extract.run import build_warehouse

        with progress_bar("building tables") as progress:
            build_warehouse(
                run.source,
                run.config,
                run.warehouse_dir,
                inputs=inputs,
                staging_dir=run.staging_dir,
                progress=progress,
            )
    return fingerprint(run.warehouse_dir)


@step("gate-tables")
def gate_tables(run: RunContext, warehouse_fingerprint: str) -> None:
    """Judge every table; nothing downstream starts if a critical expectation fails."""
    publish_gate(
        run.data_dir / "1_warehouse_gate",
        judge=lambda: gate_warehouse(run.warehouse_dir, run.config),
        inputs=warehouse_fingerprint,
        key="table-gate",
    )


def extract_steps(run: RunContext) -> str:
    """All of extraction; the fingerprint of the gated warehouse."""
    staging = stage_raw_tables(run)
    warehouse = build_tables(run, staging)
    gate_tables(run, warehouse)
    return warehouse


@flow(name="extract")
def extract(
    preset: PresetName,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: dict[str, Any] | None = None,
    table_dir: Path | None = None,
) -> None:
    """Extraction alone.

    Args:
        preset: named configuration.
        raw_dir: folder with the MIMIC data sets.
        work_dir: folder for everything that is written.
        overrides: single fields by dotted name.
        table_dir: folder for the tables, replaced as a whole; None = inside `work_dir`.
    """
    extract_steps(start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, table_dir=table_dir))
