"""What a command says at its end; imports no prefect, so that a command with nothing to do is short."""

from pathlib import Path

from rich.console import Console

from flows.context import RunContext
from medpatch.evaluate.finished import read_table


def say_outcome(run: RunContext, artefact: str) -> Path:
    """Print where the artefact of the run is, and the result table if it is the report; returns its folder."""
    folder: Path = getattr(run, artefact)
    console = Console()
    if artefact == "report_dir":
        console.print(read_table(folder))
    console.print(f"{artefact.removesuffix('_dir')}: {folder}", soft_wrap=True)
    return folder


def say_nothing_to_do(run: RunContext, artefact: str) -> Path:
    """The same, where everything was current and nothing was started."""
    Console().print(f"{run.preset}: nothing changed, nothing to do (--refresh STEP does a step again)")
    return say_outcome(run, artefact)
