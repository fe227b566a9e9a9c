"""A search without a deployment, and its table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.failure import named_loss
from flows.search import search_flow
from medpatch.config.path import PathConfig
from medpatch.config.search import SearchPart, searched_field


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
        MedPatchError: whatever a step raised on purpose.
        ServerLostError: the Prefect server stopped answering.
    """
    from medpatch.train.search import read_search

    with named_loss():
        folder = search_flow(
            preset, part, **ways, raw_dir=paths.raw_dir, work_dir=paths.work_dir, overrides=dict(overrides)
        )
    result, console = read_search(folder), Console()
    table = Table("learning rate", "val AUROC", "spread", "seeds", "")
    for one in result.judged:
        state = "" if one.is_complete else "cut short" if one.scores else "diverged"
        row = (f"{one.learning_rate:.2e}", f"{one.mean:.4f}", f"{one.spread:.4f}", str(len(one.scores)), state)
        table.add_row(*row)
    console.print(table)
    given = "".join(f" --set {name}={value}" for name, value in overrides.items() if name != searched_field(part))
    rate = f"{searched_field(part)}={result.best.learning_rate!r}"
    console.print(f"use it: medpatch run --preset {preset}{given} --set {rate}", soft_wrap=True)
    return folder
