"""`medpatch demo`: a made-up MIMIC, both tasks, the two result tables."""

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from flows.context import RunContext
from flows.finished import is_done
from flows.outcome import say_nothing_to_do
from flows.record import HOST, MLFLOW, PORTS, PREFECT
from flows.server import api_server
from flows.start import settle
from medpatch.config.path import PathConfig
from medpatch.config.preset import PresetName
from medpatch.contract.table import MADE_UP
from medpatch.synthetic.folder import generator, other_tree
from medpatch.track.experiment import WORKFLOW

logger = logging.getLogger(__name__)

DEMO_PRESETS = (PresetName.tiny_in_hospital_mortality, PresetName.tiny_phenotyping)


def run_demo(paths: PathConfig, *, subjects: int, seed: int) -> None:
    """Write the tree unless it is there, run both tiny presets on it, say where to look.

    A Prefect server is started only if something is to be done.
    """
    started, raw_dir = time.monotonic(), _raw_dir(paths)
    if _is_that_tree(raw_dir, subjects=subjects, seed=seed):
        runs = _runs(paths)
        if all(is_done(run, "report_dir") for run in runs):
            for run in runs:
                say_nothing_to_do(run, "report_dir")
            _say_how_to_go_on()
            return
    with api_server(paths) as api:
        from flows.local import run_locally
        from flows.progress import progress_bar
        from medpatch.synthetic.write import write_tree

        if not _is_that_tree(raw_dir, subjects=subjects, seed=seed):
            if other := other_tree(raw_dir, kind="synthetic", subjects=subjects, seed=seed):
                logger.info("%s holds %s, which is replaced", raw_dir, other)
            logger.info("making up %d patients in %s", subjects, raw_dir)
            with progress_bar(f"making up {subjects} patients") as progress:
                write_tree(raw_dir, subjects=subjects, seed=seed, progress=progress)
        api.wait()  # it has started meanwhile
        runs = _runs(paths)
        for run in runs:
            run_locally("report_dir", run, overrides={})
    _say_pages([run.report_dir for run in runs], seconds=time.monotonic() - started)
    _say_how_to_go_on()


def _raw_dir(paths: PathConfig) -> Path:
    return paths.work_dir / "raw"


def _runs(paths: PathConfig) -> list[RunContext]:
    return [settle(preset, raw_dir=_raw_dir(paths), work_dir=paths.work_dir) for preset in DEMO_PRESETS]


def _say_pages(folders: Iterable[Path], *, seconds: float) -> None:
    console = Console()
    minutes, rest = divmod(round(seconds), 60)
    console.print(f"Done in {minutes} min {rest} s. The reports, tables and pictures:")
    for folder in folders:
        console.print(f"  {folder / 'index.html'}", soft_wrap=True)


def _say_how_to_go_on() -> None:
    console = Console()
    mlflow = f"http://{HOST}:{PORTS[MLFLOW]}/#/experiments?{WORKFLOW}"
    console.print(
        f"Browse: `make up`, then http://{HOST}:{PORTS[PREFECT]} (Prefect) and {mlflow} (MLflow).", soft_wrap=True
    )
    console.print("Real data: set MEDPATCH_RAW_DIR and run `.venv/bin/medpatch run --preset in_hospital_mortality`.")


def _is_that_tree(raw_dir: Path, *, subjects: int, seed: int) -> bool:
    try:
        made_up = json.loads((raw_dir / MADE_UP).read_text())
    except (OSError, ValueError):
        return False
    wanted = {"subjects": subjects, "seed": seed, "generator": generator()}
    return wanted == {key: made_up.get(key) for key in wanted}
