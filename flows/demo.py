"""`medpatch demo`: a made-up MIMIC, both tasks, the two result tables."""

import json
import logging
from pathlib import Path

from rich.console import Console

from flows.local import run_locally
from flows.progress import progress_bar
from flows.start import settle
from medpatch.config.path import PathConfig
from medpatch.config.preset import PresetName
from medpatch.contract.table import MADE_UP
from medpatch.synthetic.folder import generator
from medpatch.synthetic.write import write_tree

logger = logging.getLogger(__name__)

DEMO_PRESETS = (PresetName.tiny_in_hospital_mortality, PresetName.tiny_phenotyping)


def run_demo(paths: PathConfig, *, subjects: int, seed: int) -> None:
    """Write the tree unless it is there, run both tiny presets on it, say where to look."""
    raw_dir = paths.work_dir / "raw"
    if not _is_that_tree(raw_dir, subjects=subjects, seed=seed):
        logger.info("making up %d patients in %s", subjects, raw_dir)
        with progress_bar(f"making up {subjects} patients") as progress:
            write_tree(raw_dir, subjects=subjects, seed=seed, progress=progress)
    for preset in DEMO_PRESETS:
        run = settle(preset, raw_dir=raw_dir, work_dir=paths.work_dir)
        run_locally("report_dir", run, overrides={})
    console = Console()
    console.print("Browse: `make up`, then http://127.0.0.1:4200 (Prefect) and http://127.0.0.1:5000 (MLflow).")
    console.print("Real data: set MEDPATCH_RAW_DIR and run `.venv/bin/medpatch run --preset in_hospital_mortality`.")


def _is_that_tree(raw_dir: Path, *, subjects: int, seed: int) -> bool:
    try:
        made_up = json.loads((raw_dir / MADE_UP).read_text())
    except (OSError, ValueError):
        return False
    wanted = {"subjects": subjects, "seed": seed, "generator": generator()}
    return wanted == {key: made_up.get(key) for key in wanted}
