"""Mart tables to one Parquet row of tensors per stay, then the tensor gate."""

from pathlib import Path

from prefect import flow

from flows.context import RunContext
from flows.ensure import ensure
from flows.extract import extract_steps
from flows.fan import spread_over
from flows.finished import tensor_gate, tensor_inputs
from flows.gate import publish_gate
from flows.parameter import NO_OVERRIDES, Overrides, Preset, RawDir, Refresh, RunnerSettings, WorkDir, described
from flows.progress import progress_bar
from flows.start import start
from flows.step import step
from medpatch.config.code import TENSOR_CODE
from medpatch.validate.gate import gate_tensors


@step("write-shards")
def write_shards(run: RunContext, warehouse_fingerprint: str) -> str:
    """Align the four modalities of every stay; the fingerprint of the tensor folder."""
    inputs = tensor_inputs(run, warehouse_fingerprint)

    def make() -> None:
        from medpatch.align import shard

        with progress_bar("aligning stays") as progress:
            shard.write_shards(
                run.warehouse_dir,
                run.source.cxr_dir,
                config=run.config,
                out_dir=run.tensor_dir,
                inputs=inputs,
                earlier=_earlier(run),
                spread=spread_over(run.runner, title="shards"),
                progress=progress,
            )

    return ensure(run.tensor_dir, inputs=inputs, packages=TENSOR_CODE, make=make)


def _earlier(run: RunContext) -> list[Path]:
    """Tensor folders of the work folder, the newest first; their images and notes need not be made again."""
    found = run.paths.work_dir.glob(f"data-*/{run.tensor_dir.name}")
    return sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)


@step("gate-tensors")
def gate_shards(run: RunContext, tensor_fingerprint: str) -> None:
    """Judge the manifest of the shards."""
    publish_gate(
        tensor_gate(run),
        judge=lambda progress: gate_tensors(run.tensor_dir, run.config, progress=progress),
        inputs=tensor_fingerprint,
        key="tensor-gate",
    )


def align_steps(run: RunContext, warehouse_fingerprint: str) -> str:
    """All of alignment; the fingerprint of the gated tensors."""
    tensors = write_shards(run, warehouse_fingerprint)
    gate_shards(run, tensors)
    return tensors


@flow(name="align", flow_run_name="{preset}")
@described
def align(
    preset: Preset,
    raw_dir: RawDir = None,
    *,
    work_dir: WorkDir = None,
    refresh: Refresh = (),
    runner: RunnerSettings = None,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Everything up to the tensors; what is current is reused."""
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, refresh=refresh, runner=runner)
    align_steps(run, extract_steps(run))
