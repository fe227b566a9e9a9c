"""One evaluation at paper size: judging, subgroups, decisions, pictures, tables and page of many models.

Run: python bench/evaluate.py [stays] [labels] [models] [runs] [resamples]. Every report step is timed on the same
made-up predictions; the last lines scale a loop over scikit-learn for the same intervals of AUROC and AUPRC.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score, roc_auc_score

from medpatch.config.name import PHENOTYPES, Modality, Rival, Split
from medpatch.config.preset import phenotyping
from medpatch.contract.prediction import PREDICTION_SCHEMA
from medpatch.contract.table import warehouse_file
from medpatch.contract.tensor import MANIFEST
from medpatch.evaluate.name import unimodal
from medpatch.evaluate.report_folder import Material, evaluate_runs

TIMED = 2
UNITS = ("MICU", "SICU", "CCU", "CVICU", "TSICU")


def main(stays: int = 12_000, labels: int = 25, models: int = 15, runs: int = 1, resamples: int = 1000) -> None:
    """Make predictions up, write them, evaluate them, say how long it took."""
    names = ["medpatch", "late", *(unimodal(m) for m in Modality), *map(str, Rival)]
    names = [*names, *(f"rival_{n}" for n in range(models))][:models]
    config = phenotyping()
    config = config.model_copy(
        update={"evaluate": config.evaluate.model_copy(update={"bootstrap_resamples": resamples})}
    )
    with tempfile.TemporaryDirectory() as place:
        folder, started = Path(place), time.perf_counter()
        label = _label(stays, labels)
        paths = {f"seed {s}": _write(folder / f"run{s}", names, label, seed=s) for s in range(runs)}
        _write_facts(folder, stays)
        print(f"made up and written: {time.perf_counter() - started:.1f} s")
        started, cpu = time.perf_counter(), time.process_time()
        evaluate_runs(
            paths,
            folder / "report",
            config=config,
            inputs="bench",
            title="Bench",
            material=Material(warehouse_dir=folder, tensor_dir=folder),
        )
        ours, ours_cpu = time.perf_counter() - started, time.process_time() - cpu
    loop = _loop(label[Split.TEST], resamples) * models * runs
    print(f"{stays:,} stays x {labels} labels x {models} models x {runs} runs, {resamples:,} resamples")
    print(f"whole report: {ours:.1f} s ({ours_cpu:.1f} s of CPU)")
    print(f"AUROC and AUPRC alone, scikit-learn in a loop: {loop:,.0f} s of CPU (from {TIMED} resamples of a model)")
    print(f"ratio: {loop / ours_cpu:,.1f}")


def _label(stays: int, labels: int) -> dict[Split, np.ndarray]:
    random = np.random.default_rng(0)
    share = np.linspace(0.05, 0.45, len(PHENOTYPES))
    made = {s: (random.random((n, len(share))) < share) for s, n in ((Split.VAL, stays // 3), (Split.TEST, stays))}
    if labels != len(PHENOTYPES):
        raise SystemExit(f"labels: {labels}, the task has {len(PHENOTYPES)}")
    return {split: value.astype(np.int8) for split, value in made.items()}


def _write(folder: Path, names: list[str], label: dict[Split, np.ndarray], *, seed: int) -> Path:
    random = np.random.default_rng(seed)
    folder.mkdir()
    (folder / "head.json").write_text(json.dumps({"head": "late", "chosen_by": "configuration"}))
    path = folder / "predictions.parquet"
    with pq.ParquetWriter(path, PREDICTION_SCHEMA, compression="zstd") as writer:
        for place, (split, value) in enumerate(label.items()):
            stay = 30_000_000 + place * 1_000_000 + np.arange(len(value))
            for number, name in enumerate(names):
                logit = (value * (1.5 - 0.05 * number) - 2 + random.normal(size=value.shape)).ravel()
                columns = {
                    "model": pa.repeat(name, logit.size),
                    "split": pa.repeat(str(split), logit.size),
                    "subject_id": np.repeat(10_000_000 + stay * 8 // 10, value.shape[1]),
                    "stay_id": np.repeat(stay, value.shape[1]),
                    "label_name": pa.array(np.tile(np.array(PHENOTYPES), len(value))),
                    "label": value.ravel(),
                    "logit": logit,
                    "probability": 1 / (1 + np.exp(-logit)),
                    "is_available": np.ones(logit.size, bool),
                }
                writer.write_table(pa.table(columns, schema=PREDICTION_SCHEMA))
    return path


def _write_facts(folder: Path, stays: int) -> None:
    random = np.random.default_rng(1)
    test, val = 31_000_000 + np.arange(stays), 30_000_000 + np.arange(stays // 3)
    stay = np.concatenate([val, test])
    has = {f"has_{m}": random.random(len(stay)) < p for m, p in zip(Modality, (1, 0.18, 0.9, 0.94), strict=True)}
    split = np.repeat(["val", "test"], [len(val), len(test)])
    pq.write_table(pa.table({"stay_id": stay, "split": split, **has}), folder / MANIFEST)
    who = {
        "stay_id": stay,
        "age_years": random.integers(18, 95, len(stay)),
        "gender": random.choice(["F", "M"], len(stay)),
        "race": random.choice(["WHITE", "BLACK", "ASIAN", "OTHER"], len(stay), p=[0.7, 0.15, 0.05, 0.1]),
        "first_careunit": random.choice(UNITS, len(stay)),
    }
    pq.write_table(pa.table(who), folder / warehouse_file("stay"))


def _loop(label: np.ndarray, resamples: int) -> float:
    """Seconds of CPU that a loop over scikit-learn needs for one model."""
    random = np.random.default_rng(2)
    score, cpu = random.normal(size=label.shape) + label, time.process_time()
    for _ in range(TIMED):
        weight = np.bincount(random.integers(0, len(label), len(label)), minlength=len(label))
        for k in range(label.shape[1]):
            roc_auc_score(label[:, k], score[:, k], sample_weight=weight)
            average_precision_score(label[:, k], score[:, k], sample_weight=weight)
    return (time.process_time() - cpu) / TIMED * resamples


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
