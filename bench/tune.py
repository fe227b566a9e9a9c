"""The learning rate of every fusion model, each from the same few, by validation alone: equal tuning for a study.

The shrinkage of boosted trees is of another size: they try as many values, as far apart, their preset's in the place
of the middle one. A rate at which training diverges counts as the worst. Encoders and token
predictors are those of the preset; only what a model trains itself is trained at each rate, on a cohort of its own,
which no table is made of. OUT/best.json is what `bench/study.py --tuned` takes.

Run: python bench/tune.py OUT [--subjects 4000] [--data-seed 21] [--rates 0.001 0.003 0.01] [--tasks mortality]
         [--parts fusion metra]
"""

import argparse
import json
import logging
import math
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from study import make_data, train
from study_cell import MAIN, PRESETS, Cell

from flows.job import UNTRAINED, earlier_dirs, fusion_job, rival_job
from flows.plan import plan
from medpatch.config.error import DivergedError
from medpatch.config.name import Rival
from medpatch.config.train import RateConfig
from medpatch.contract.artifact import replace_text
from medpatch.train.result import read_result

logger = logging.getLogger("tune")
FUSION = "fusion"
SEED = 0


def parts() -> list[str]:
    """MedPatch's fusion part and every rival that is trained."""
    return [FUSION, *(str(r) for r in Rival if r not in UNTRAINED)]


def rates_of(part: str, rates: Sequence[float]) -> list[float]:
    """What is tried; those of trees are as far apart, their usual one in the place of the middle one."""
    if part != Rival.BOOSTED_TREES:
        return list(rates)
    middle = statistics.median_high(rates)
    return [round(rate / middle * RateConfig().boosted_trees, 4) for rate in rates]


def judge(out: Path, task: str, *, data: int, part: str, rate: float) -> float:
    """Macro AUROC at the chosen epoch on the val stays that choose epochs."""
    run = plan(
        PRESETS[task],
        models="late",
        seeds=1,
        raw_dir=out / f"raw-{data}",
        work_dir=out / f"work-{data}",
        overrides={"train.seed": SEED, f"train.rate.{part}": rate},
    ).first
    kept = [m for m in run.config.modality.modalities if run.confidence_dir(m).is_dir()]
    earlier = earlier_dirs(run, kept)
    job = fusion_job(run, earlier) if part == FUSION else rival_job(run, Rival(part), earlier=earlier)
    folder = out / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        replace(job, out_dir=folder).run(log_metric=lambda name, value, epoch: None)
    except DivergedError as error:
        logger.warning("%s %s %g: %s", task, part, rate, error)
        return 0.0
    score = read_result(folder).best.get("val_auroc")
    if score is None or not math.isfinite(score):
        raise RuntimeError(f"{task} {part} {rate:g}: the AUROC on val is {score}; take a larger cohort")
    return score


def main(
    out: Path, *, subjects: int, data: int, rates: Sequence[float], tasks: Sequence[str], among: Sequence[str]
) -> None:
    """Train what is missing, then name the best rate of each model."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "tune.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    best_path = out / "best.json"
    chosen: dict[str, dict[str, float]] = json.loads(best_path.read_text()) if best_path.exists() else {}
    make_data(out / f"raw-{data}", subjects=subjects, seed=data)
    for task in tasks:
        train(replace(Cell(task, data, SEED, MAIN), variant="tuning"), out)
        for part in among:
            tried = rates_of(part, rates)
            for rate in tried:
                key = f"{task} {part} {rate:g}"
                if key not in found:
                    found[key] = judge(out, task, data=data, part=part, rate=rate)
                    logger.info("%s: %.4f", key, found[key])
                    replace_text(path, json.dumps(found, indent=1))
            best = max(tried, key=lambda rate: found[f"{task} {part} {rate:g}"])
            logger.info("%s %s: best %g", task, part, best)
            chosen.setdefault(task, {})[part] = best
            replace_text(best_path, json.dumps(chosen, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", help="folder of the study; without it nothing is done")
    parser.add_argument("--subjects", type=int, default=4000)
    parser.add_argument("--data-seed", type=int, default=21)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-3, 1e-2])
    parser.add_argument("--tasks", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--parts", nargs="+", choices=parts(), default=parts(), help="models whose rate is searched")
    chosen = parser.parse_args()
    if chosen.out is None:  # hours of work are not begun unasked
        parser.print_help()
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        main(
            chosen.out.resolve(),
            subjects=chosen.subjects,
            data=chosen.data_seed,
            rates=chosen.rates,
            tasks=chosen.tasks,
            among=chosen.parts,
        )
