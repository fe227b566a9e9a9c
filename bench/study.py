"""Every model against the oracle of made-up data: data seeds x training seeds x both tasks, one file per cell.

A cell is one `medpatch leaderboard` over all models, or over MedPatch alone with one part taken out (an ablation).
Cells that have a file are skipped and everything else is reused by the command itself, so that a study which was
stopped goes on with the same command. `bench/study_table.py` makes the tables from what is there.

With `--tuned FILE`, what `bench/tune.py` left, every model is trained at the learning rate that it did best at there.
`--set` changes a field of every cell; give such a study a folder of its own (links to raw-* and work-* do).

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from flows.context import RunContext
from flows.plan import plan
from medpatch.config.name import Split
from medpatch.config.path import REPOSITORY_DIR
from medpatch.contract.artifact import replace_text
from medpatch.contract.prediction import ORACLE_SCHEMA
from medpatch.evaluate.metric import auroc, macro
from medpatch.evaluate.prediction import read_predictions
from medpatch.evaluate.stay import read_facts

logger = logging.getLogger("study")

PRESETS = {"mortality": "tiny_in_hospital_mortality", "conditions": "tiny_phenotyping"}
MAIN = "all models"
ABLATIONS: Mapping[str, Mapping[str, object]] = {
    "as published": {
        "model.fusion.score": "confidence",
        "model.fusion.high_share": None,
        "model.fusion.threshold": 0.75,
        "model.fusion.compat": "published",
        "train.loss_weighting": "published",
    },
    "learned loss weights": {"train.loss_weighting": "learned"},
    "fine-tuned encoders": {"train.fine_tune": True},
}
"""Fields that differ from the preset, where all stages or the encoders change; `bench/partition.py` has the others."""
ATTEMPTS, PAUSE_S = 4, 20


@dataclass(frozen=True)
class Cell:
    """One training of one set of models.

    Attributes:
        task: key of PRESETS.
        data: seed of the made-up tree.
        train: seed of the training.
        variant: MAIN or key of ABLATIONS.
        rivals: of MAIN.
        rates: part of the model and its learning rate; the others have the preset's.
        changed: other fields, name and value.
    """

    task: str
    data: int
    train: int
    variant: str
    rivals: str = "all"
    rates: tuple[tuple[str, float], ...] = ()
    changed: tuple[tuple[str, str], ...] = ()

    @property
    def stem(self) -> str:
        """Name of its file."""
        return f"{self.task}-data{self.data}-train{self.train}-{self.variant.replace(' ', '_').replace(',', '')}"

    @property
    def models(self) -> str:
        """What `--models` is given."""
        return self.rivals if self.variant == MAIN else "late"

    @property
    def overrides(self) -> dict[str, object]:
        """What `--set` is given; the report's own intervals are not read, so few resamples do."""
        rates = {f"train.rate.{part}": rate for part, rate in self.rates}
        return {
            "train.seed": self.train,
            "evaluate.bootstrap_resamples": 20,
            **rates,
            **ABLATIONS.get(self.variant, {}),
            **dict(self.changed),
        }


def cells(
    data: list[int], train: list[int], *, variants: list[str], tasks: list[str], rivals: str, rates: Mapping[str, dict]
) -> Iterator[Cell]:
    """In an order that makes partial results useful: all data with the first training seed, then its ablations."""
    for number in train:
        for variant in variants:
            for seed in data:
                for task in tasks:
                    yield Cell(task, seed, number, variant, rivals, tuple(rates.get(task, {}).items()))


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
    sets = [f"{name}={'none' if value is None else value}" for name, value in cell.overrides.items()]
    flags = [part for one in sets for part in ("--set", one)]
    places = ["--raw-dir", str(raw_dir), "--work-dir", str(work_dir)]
    call("leaderboard", "--preset", PRESETS[cell.task], "--models", cell.models, "--seeds", "1", *places, *flags)
    return context(cell, out)


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
        if path.exists():
            continue
        started, processor = time.perf_counter(), os.times()
        make_data(out / f"raw-{cell.data}", subjects=subjects, seed=cell.data)
        run = train(cell, out)
        found = keep(cell, run, path)
        shutil.rmtree(run.paths.work_dir / "mlartifacts", ignore_errors=True)  # reports, one per cell
        now = os.times()
        spent = now.children_user + now.children_system - processor.children_user - processor.children_system
        line = {"cell": cell.stem, "wall_s": round(time.perf_counter() - started), "cpu_s": round(spent), **found}
        replace_text(path.with_suffix(".json"), json.dumps(line))
        logger.info("%d of %d  %s", number, len(everything), json.dumps(line))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", help="folder of the study; without it nothing is done")
    parser.add_argument("--subjects", type=int, default=4000)
    parser.add_argument("--data-seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--train-seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--models", default="all", help="as of medpatch leaderboard; cells of others stay")
    parser.add_argument("--tuned", type=Path, help="best.json of bench/tune.py")
    parser.add_argument("--set", nargs="+", default=[], dest="changed", metavar="NAME=VALUE", help="of every cell")
    parser.add_argument("--variants", nargs="+", default=[MAIN, *ABLATIONS])
    chosen = parser.parse_args()
    if chosen.out is None:  # hours of work are not begun unasked
        parser.print_help()
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        rates = json.loads(chosen.tuned.read_text()) if chosen.tuned else {}
        data, seeds, tasks = chosen.data_seeds, chosen.train_seeds, chosen.tasks
        every = cells(data, seeds, variants=chosen.variants, tasks=tasks, rivals=chosen.models, rates=rates)
        changed = tuple((name, value) for name, _, value in (one.partition("=") for one in chosen.changed))
        study(chosen.out.resolve(), [replace(one, changed=changed) for one in every], subjects=chosen.subjects)
