"""Runs without a deployment: the same flows under Prefect's own temporary server."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.align import align
from flows.evaluate import evaluate
from flows.extract import extract
from flows.pipeline import full_pipeline
from flows.search import search_flow
from flows.start import start
from flows.train import train
from medpatch.config.error import MedPatchError
from medpatch.config.path import PathConfig
from medpatch.config.search import SearchPart, searched_field
from medpatch.evaluate.report import read_table

FLOWS = {
    "warehouse_dir": extract,
    "tensor_dir": align,
    "checkpoint_dir": train,
    "report_dir": evaluate,
}
"""Which flow ends with which folder of the RunContext."""


def run_locally(
    artefact: str,
    preset: str,
    *,
    paths: PathConfig,
    overrides: Mapping[str, Any],
    table_dir: Path | None = None,
) -> Path:
    """Run until one artefact exists; print where it is, and the result table if it is the report.

    Args:
        artefact: folder of the RunContext that the run ends with.
        preset: named configuration.
        paths: raw, work and tracking locations.
        overrides: single fields by dotted name.
        table_dir: folder for the mart tables, for extraction alone; None = in the work folder.

    Raises:
        MedPatchError: whatever a step raised on purpose; what can be known beforehand, before a server starts.
    """
    places: dict[str, Path] = {"raw_dir": paths.raw_dir, "work_dir": paths.work_dir}
    if table_dir is not None:
        places["table_dir"] = table_dir
    run = start(preset, overrides=overrides, **places)
    _hide_tracebacks()
    flow = full_pipeline if artefact == "report_dir" else FLOWS[artefact]
    flow(preset=preset, overrides=dict(overrides), **places)
    folder = getattr(run, artefact)
    console = Console()
    if artefact == "report_dir":
        console.print(read_table(folder))
    console.print(f"{artefact.removesuffix('_dir')}: {folder}", soft_wrap=True)
    return folder


def search_locally(
    preset: str, part: SearchPart, *, paths: PathConfig, overrides: Mapping[str, Any], ways: Mapping[str, Any]
) -> Path:
    """Search a learning rate; print every trial, the best one, and how to use it.

    Args:
        preset: named configuration.
        part: whose learning rate.
        paths: raw, work and tracking locations.
        overrides: single fields by dotted name.
        ways: trials, seeds, low and high of `flows.search.search_flow`.

    Raises:
        MedPatchError: whatever a step raised on purpose; what can be known beforehand, before a server starts.
    """
    from medpatch.train.search import read_search

    start(preset, raw_dir=paths.raw_dir, work_dir=paths.work_dir, overrides=overrides)
    _hide_tracebacks()
    folder = search_flow(
        preset, part, **ways, raw_dir=paths.raw_dir, work_dir=paths.work_dir, overrides=dict(overrides)
    )
    result, console = read_search(folder), Console()
    table = Table("learning rate", "val AUROC", "spread", "seeds", "")
    for one in result.judged:
        state = "" if one.is_complete else "cut short"
        row = (f"{one.learning_rate:.2e}", f"{one.mean:.4f}", f"{one.spread:.4f}", str(len(one.scores)), state)
        table.add_row(*row)
    console.print(table)
    given = "".join(f" --set {name}={value}" for name, value in overrides.items() if name != searched_field(part))
    rate = f"{searched_field(part)}={result.best.learning_rate!r}"
    console.print(f"use it: medpatch run --preset {preset}{given} --set {rate}", soft_wrap=True)
    return folder


def _hide_tracebacks() -> None:
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(without_traceback)


def without_traceback(record: logging.LogRecord) -> logging.LogRecord:
    """The record without the traceback of an error that we raised on purpose: its message says all there is."""
    if record.exc_info and isinstance(record.exc_info[1], MedPatchError):
        record.exc_info = None
    return record
