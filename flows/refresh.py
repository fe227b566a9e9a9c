"""The scheduled data refresh: look at the raw files, redo only what depends on a change."""

import json
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger
from prefect.states import Completed, State

from flows.context import RunContext
from flows.parameter import Overrides, Preset, RawDir, RunnerSettings, WorkDir
from flows.pipeline import pipeline_steps
from flows.start import start
from flows.step import step
from medpatch.config.preset import PresetName

HISTORY = "refresh_history.jsonl"


@step("read-history")
def last_fingerprint(work_dir: Path, preset: str) -> str | None:
    """Raw fingerprint of the last finished refresh of this preset, or None."""
    history = work_dir / HISTORY
    if not history.is_file():
        return None
    records = [json.loads(line) for line in history.read_text().splitlines() if line.strip()]
    matching = [record["raw_fingerprint"] for record in records if record["preset"] == preset]
    return matching[-1] if matching else None


@step("append-history")
def append_history(run: RunContext, report_dir: Path) -> None:
    """Remember what was refreshed, when, and where the report is."""
    record = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "preset": run.preset,
        "raw_fingerprint": run.raw_fingerprint,
        "report": str(report_dir),
    }
    with (run.paths.work_dir / HISTORY).open("a") as history:
        history.write(json.dumps(record) + "\n")


@flow(name="data-refresh", flow_run_name="{preset}")
def data_refresh(
    preset: Preset = PresetName.tiny_in_hospital_mortality,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Overrides = None,
    runner: RunnerSettings = None,
) -> State:
    """Run the pipeline if a raw file changed since the last refresh of this preset, else say so and end."""
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, runner=runner)
    if last_fingerprint(run.paths.work_dir, preset) == run.raw_fingerprint:
        return Completed(message="raw files unchanged since the last refresh: nothing to do")
    get_run_logger().info("raw files are new or changed: fingerprint %s", run.raw_fingerprint)
    report_dir = pipeline_steps(run)
    append_history(run, report_dir)
    return Completed(message=f"refreshed: report in {report_dir}")
