"""The scheduled data refresh: look at the raw files, redo only what depends on a change."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger
from prefect.states import Completed, State

from flows.context import RunContext
from flows.finished import is_done
from flows.parameter import NO_OVERRIDES, Overrides, Preset, RawDir, RunnerSettings, WorkDir, described
from flows.pipeline import report_steps, table_steps
from flows.start import start
from flows.step import step
from medpatch.align.cxr import image_fingerprint
from medpatch.config.base import digest_of
from medpatch.config.preset import PresetName
from medpatch.contract.artifact import is_whole

logger = logging.getLogger(__name__)

HISTORY = "refresh_history.jsonl"


@step("read-history")
def last_fingerprint(work_dir: Path, preset: str) -> str | None:
    """Fingerprint of what the last finished refresh of this preset read, or None."""
    history = work_dir / HISTORY
    if not history.is_file():
        return None
    matching = []
    for number, line in enumerate(history.read_text().splitlines(), start=1):
        try:
            record = json.loads(line)
            if record["preset"] == preset:
                matching.append(record["fingerprint"])
        except (ValueError, KeyError):
            logger.warning("%s, line %d is no record of a refresh and is passed over", history, number)
    return matching[-1] if matching else None


def read_fingerprint(run: RunContext) -> str | None:
    """Digest of the raw tables, the chosen images and the settings of a run; None before the first extraction."""
    if not is_whole(run.warehouse_dir):
        return None
    return digest_of(run.raw_fingerprint, image_fingerprint(run.warehouse_dir, run.source.cxr_dir), run.run_dir.name)


@step("append-history")
def append_history(run: RunContext, report_dir: Path, *, fingerprint: str | None) -> None:
    """Remember what was refreshed, when, and where the report is; `fingerprint` is of what the run read."""
    record = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "preset": run.preset,
        "fingerprint": fingerprint,
        "report": str(report_dir),
    }
    with (run.paths.work_dir / HISTORY).open("a") as history:
        history.write(json.dumps(record) + "\n")


@flow(name="data-refresh", flow_run_name="{preset}")
@described
def data_refresh(
    preset: Preset = PresetName.tiny_in_hospital_mortality,
    raw_dir: RawDir = None,
    *,
    work_dir: WorkDir = None,
    runner: RunnerSettings = None,
    overrides: Overrides = NO_OVERRIDES,
) -> State:
    """Run the pipeline if a raw file, an image, a setting or the code changed since the last refresh of this preset."""
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, runner=runner, hands_over=True)
    last, now = last_fingerprint(run.paths.work_dir, preset), read_fingerprint(run)
    if last is not None and last == now and is_done(run, "report_dir"):
        return Completed(message="raw files unchanged since the last refresh: nothing to do")
    get_run_logger().info("raw files, settings or code are new or changed: fingerprint %s", run.raw_fingerprint)
    warehouse = table_steps(run)
    # which images count is known from here on, and none is read yet: one replaced later is the next refresh's
    seen = read_fingerprint(run)
    report_dir = report_steps(run, warehouse)
    append_history(run, report_dir, fingerprint=seen)
    return Completed(message=f"refreshed: report in {report_dir}")
