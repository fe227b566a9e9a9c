"""Every model against the oracle of made-up data: data seeds x training seeds x both tasks, one file per cell.

A cell is one `medpatch leaderboard` over all models, or over MedPatch alone with one part taken out (an ablation).
Cells that have a file are skipped and everything else is reused by the command itself, so that a study which was
stopped goes on with the same command. `bench/study_table.py` makes the tables from what is there.

With `--tuned FILE`, what `bench/tune.py` left, every model is trained at the learning rate that it did best at there.
`--set NAME=VALUE` changes a field of every cell; such a study has a folder of its own, whose raw-* and work-* may be
links to those of another one.

Run: python bench/study.py OUT [--subjects 4000] [--data-seeds 11 12 13] [--train-seeds 0 1 2] [--variants ...]
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray
from study_cell import ABLATIONS, MAIN, PRESETS, Cell, cells

from flows.context import RunContext
from flows.plan import plan
from medpatch.config.name import Split
from medpatch.config.override import parse_overrides
from medpatch.config.path import REPOSITORY_DIR
from medpatch.contract.artifact import replace_text
from medpatch.contract.prediction import ORACLE_SCHEMA
from medpatch.evaluate.metric import auroc, macro
from medpatch.evaluate.prediction import read_predictions
from medpatch.evaluate.stay import read_facts

logger = logging.getLogger("study")

ATTEMPTS, PAUSE_S = 4, 20


def make_data(folder: Path, *, subjects: int, seed: int) -> None:
    """The made-up tree, once."""
    if not (folder / "oracle").is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        call("synth", str(folder), "--subjects", str(subjects), "--seed", str(seed))


def call(*arguments: str) -> None:
    """The command line of this tree, tried again where its Prefect server gave up, as after a suspended hour.

    Raises:
        RuntimeError: every attempt failed.
    """
    command = [sys.executable, "-m", "flows.cli", *arguments]
    for attempt in range(1, ATTEMPTS + 1):
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY_DIR)}
        done = subprocess.run(command, check=False, cwd=REPOSITORY_DIR, env=environment, capture_output=True, text=True)
        if done.returncode == 0:
            return
        logger.warning("attempt %d of %d failed: %s\n%s", attempt, ATTEMPTS, arguments, done.stderr[-2000:])
        time.sleep(PAUSE_S)
    raise RuntimeError(f"{arguments}: failed {ATTEMPTS} times, the last words are above")


def train(cell: Cell, out: Path) -> RunContext:
    """Train or reuse what the cell needs; returns the run."""
    raw_dir, work_dir = out / f"raw-{cell.data}", out / f"work-{cell.data}"
    sets = [f"{name}={as_typed(value)}" for name, value in cell.overrides.items()]
    flags = [part for one in sets for part in ("--set", one)]
    places = ["--raw-dir", str(raw_dir), "--work-dir", str(work_dir)]
    call("leaderboard", "--preset", PRESETS[cell.task], "--models", cell.models, "--seeds", "1", *places, *flags)
    return context(cell, out)


def as_typed(value: object) -> str:
    """The value as `parse_overrides` reads it back."""
    if value is None:
        return "none"
    return ",".join(value) if isinstance(value, list) else f"{value}"


def context(cell: Cell, out: Path) -> RunContext:
    """Where everything of the cell is; nothing is made."""
    board = plan(
        PRESETS[cell.task],
        models=cell.models,
        seeds=1,
        raw_dir=out / f"raw-{cell.data}",
        work_dir=out / f"work-{cell.data}",
        overrides=cell.overrides,
    )
    return board.first


def oracle_of(run: RunContext, stay_id: NDArray) -> dict[str, NDArray]:
    """(N, K) best possible probability of each modality set, for stays (N,) in any order."""
    names, order = run.config.labels, np.argsort(stay_id)
    files = sorted(run.oracle_dir.glob("*.parquet"))
    rows = ds.dataset(files, schema=ORACLE_SCHEMA).to_table(
        filter=(pc.field("task") == str(run.config.cohort.task)) & pc.field("stay_id").isin(stay_id.tolist())
    )
    found = {}
    for name in pc.unique(rows["modality_set"]).to_pylist():
        one = rows.filter(pc.equal(rows["modality_set"], name))
        probability = np.full((len(stay_id), len(names)), np.nan)
        stay = order[np.searchsorted(stay_id, one["stay_id"].to_numpy(), sorter=order)]
        column = [names.index(label) for label in one["label_name"].to_pylist()]
        probability[stay, column] = one["probability"].to_numpy()
        found[name] = probability
    return found


def keep(cell: Cell, run: RunContext, path: Path) -> dict[str, float]:
    """Write what the tables need of a run: scores of the test stays; returns macro AUROC of each model."""
    file = run.prediction_dir / "predictions.parquet"
    val, test = (read_predictions(file, split, label_names=run.config.labels) for split in (Split.VAL, Split.TEST))
    facts = read_facts(
        test.stay_id, run.config.modality.modalities, tensor_dir=run.tensor_dir, warehouse_dir=None, age_edges_years=()
    )
    oracle = oracle_of(run, test.stay_id) if cell.variant == MAIN else {}
    scores = {name: one.logit for name, one in test.models.items()}
    aside = path.with_suffix(".part.npz")
    np.savez_compressed(
        aside,
        subject_id=test.subject_id,
        label=test.label,
        modalities=np.array([str(m) for m in facts.presence]),
        presence=np.column_stack(list(facts.presence.values())),
        models=np.array(list(scores)),
        score=np.stack(list(scores.values())).astype(np.float32),
        val=np.array([macro(auroc(one.logit, val.label)).value for one in val.models.values()]),
        val_models=np.array(list(val.models)),
        oracle_sets=np.array(list(oracle)),
        oracle=np.array(list(oracle.values()), dtype=np.float32),
    )
    aside.rename(path)
    return {name: round(macro(auroc(score, test.label)).value, 4) for name, score in scores.items()}


def study(out: Path, everything: Sequence[Cell], *, subjects: int) -> None:
    """Every cell that has no file yet."""
    (out / "cell").mkdir(parents=True, exist_ok=True)
    for number, cell in enumerate(everything, start=1):
        path = out / "cell" / f"{cell.stem}.npz"
        summary = path.with_suffix(".json")  # written last: a cell without it was not finished
        if summary.exists():
            check_settings(cell, summary)
            continue
        started, processor = time.perf_counter(), os.times()
        make_data(out / f"raw-{cell.data}", subjects=subjects, seed=cell.data)
        run = train(cell, out)
        found = keep(cell, run, path)
        shutil.rmtree(run.paths.work_dir / "mlartifacts", ignore_errors=True)  # reports, one per cell
        now = os.times()
        spent = now.children_user + now.children_system - processor.children_user - processor.children_system
        line = {
            "cell": cell.stem,
            "changed": dict(cell.changed),
            "wall_s": round(time.perf_counter() - started),
            "cpu_s": round(spent),
            **found,
        }
        replace_text(summary, json.dumps(line))
        logger.info("%d of %d  %s", number, len(everything), json.dumps(line))


def check_settings(cell: Cell, summary: Path) -> None:
    """Stop where a finished cell was made with other settings.

    Raises:
        SystemExit: naming them.
    """
    made = json.loads(summary.read_text()).get("changed", {})
    if made != dict(cell.changed):
        raise SystemExit(f"{summary}: made with --set {made}, asked for {dict(cell.changed)}; name another folder")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", help="folder of the study; without it nothing is done")
    parser.add_argument("--subjects", type=int, default=4000)
    parser.add_argument("--data-seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--train-seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--models", default="all", help="as of medpatch leaderboard; cells of others stay")
    parser.add_argument("--tuned", type=Path, help="best.json of bench/tune.py")
    parser.add_argument("--set", action="append", default=[], dest="changed", metavar="NAME=VALUE")
    parser.add_argument("--variants", nargs="+", default=[MAIN, *ABLATIONS])
    chosen = parser.parse_args()
    if chosen.out is None:  # hours of work are not begun unasked
        parser.print_help()
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        rates = json.loads(chosen.tuned.read_text()) if chosen.tuned else {}
        data, seeds, tasks = chosen.data_seeds, chosen.train_seeds, chosen.tasks
        every = cells(data, seeds, variants=chosen.variants, tasks=tasks, rivals=chosen.models, rates=rates)
        changed = tuple(parse_overrides(chosen.changed).items())
        every = [replace(one, changed=changed) for one in every]
        study(chosen.out.resolve(), every, subjects=chosen.subjects)
