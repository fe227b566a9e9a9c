"""Made-up predictions of a made-up cohort: scores that carry some of the label, models that miss stays."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.name import Split, Task, label_names
from medpatch.contract.prediction import ORACLE_SCHEMA, PREDICTION_SCHEMA
from medpatch.contract.tensor import MANIFEST

PREVALENCE = 0.15
SKILL = {
    "medpatch": 1.5,
    "medpatch_high": 1.2,
    "medpatch_low": 1.0,
    "late": 1.3,
    "early": 1.25,
    "unimodal_ehr": 1.1,
    "unimodal_cxr": 0.7,
    "unimodal_rr": 0.9,
}
MODALITIES = ("ehr", "cxr", "rr")
COVERAGE = {"unimodal_cxr": 0.3, "unimodal_rr": 0.85}
HISTORY = [
    {"stage": stage, "modality": modality, "epoch": e, "train_loss": 0.9**e, "val_loss": 0.92**e, "val_auroc": auroc}
    for stage, modality, auroc in (("unimodal", "ehr", 0.7), ("confidence", "ehr", None), ("fusion", None, 0.8))
    for e in range(3)
]


def made_up_rows(
    task: Task, *, stays: int = 120, seed: int = 0, splits: tuple[Split, ...] = (Split.VAL, Split.TEST)
) -> dict[str, np.ndarray]:
    """Every model says logit(prevalence) + skill * evidence; absent stays get the prevalence."""
    random, names = np.random.default_rng(seed), label_names(task)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in PREDICTION_SCHEMA.names}
    prior = np.log(PREVALENCE / (1 - PREVALENCE))
    for place, split in enumerate(splits):
        stay = 30_000_000 + place * 1_000_000 + np.arange(stays)
        subject = 10_000_000 + place * 1_000_000 + np.sort(random.integers(0, int(stays * 0.8), stays))
        label = (random.random((stays, len(names))) < PREVALENCE).astype(np.int8)
        for model, skill in SKILL.items():
            logit = prior + skill * (label - PREVALENCE) + random.normal(size=label.shape)
            is_there = random.random(stays) < COVERAGE.get(model, 1.0)
            logit = np.where(is_there[:, None], logit, prior)
            count = label.size
            columns = {
                "model": np.repeat(model, count),
                "split": np.repeat(str(split), count),
                "subject_id": np.repeat(subject, len(names)),
                "stay_id": np.repeat(stay, len(names)),
                "label_name": np.tile(np.array(names), stays),
                "label": label.ravel(),
                "logit": logit.ravel(),
                "probability": 1 / (1 + np.exp(-logit.ravel())),
                "is_available": np.repeat(is_there, len(names)),
            }
            for name, column in columns.items():
                parts[name].append(column)
    return {name: np.concatenate(part) for name, part in parts.items()}


def write_rows(rows: dict[str, np.ndarray], folder: Path) -> Path:
    """predictions.parquet and head.json in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "head.json").write_text(json.dumps({"head": "late", "chosen_by": "configuration"}))
    path = folder / "predictions.parquet"
    pq.write_table(pa.table({n: pa.array(c) for n, c in rows.items()}).cast(PREDICTION_SCHEMA), path)
    return path


def add_drops(rows: dict[str, np.ndarray], *, seed: int = 1) -> dict[str, np.ndarray]:
    """The same with rows of MedPatch without each modality, whose logits are noise alone."""
    random, is_main = np.random.default_rng(seed), rows["model"] == "medpatch"
    parts = [rows]
    for modality in MODALITIES:
        mine = {name: column[is_main] for name, column in rows.items()}
        mine["model"] = np.repeat(f"medpatch_without_{modality}", is_main.sum())
        mine["logit"] = random.normal(size=is_main.sum())
        mine["probability"] = 1 / (1 + np.exp(-mine["logit"]))
        parts.append(mine)
    return {name: np.concatenate([part[name] for part in parts]) for name in rows}


def write_manifest(rows: dict[str, np.ndarray], folder: Path) -> Path:
    """The manifest columns that evaluation reads, for the stays of the rows."""
    pairs = sorted({(int(s), str(p)) for s, p in zip(rows["stay_id"], rows["split"], strict=True)})
    folder.mkdir(parents=True, exist_ok=True)
    stay, split = zip(*pairs, strict=True)
    there = {f"has_{m}": [s % 10 < 10 * COVERAGE.get(f"unimodal_{m}", 1.0) for s in stay] for m in MODALITIES}
    pq.write_table(pa.table({"stay_id": stay, "split": split, **there}), folder / MANIFEST)
    return folder


def write_oracle(
    rows: dict[str, np.ndarray], folder: Path, *, task: Task, sets: tuple[str, ...] = ("ehr", "cxr", "rr", "ehr+cxr+rr")
) -> Path:
    """An oracle that knows more than the models, most with all inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(9)
    is_main = rows["model"] == "medpatch"
    stay, name, label = (rows[c][is_main] for c in ("stay_id", "label_name", "label"))
    tables = []
    for modality_set in sets:
        score = (1.0 + modality_set.count("+")) * label + random.normal(size=len(label))
        columns = {
            "stay_id": stay,
            "task": np.repeat(str(task), len(stay)),
            "label_name": name,
            "modality_set": np.repeat(modality_set, len(stay)),
            "probability": 1 / (1 + np.exp(-score)),
        }
        tables.append(pa.table({n: pa.array(c) for n, c in columns.items()}).cast(ORACLE_SCHEMA))
    pq.write_table(pa.concat_tables(tables), folder / "oracle.parquet")
    return folder


def write_stays(rows: dict[str, np.ndarray], folder: Path) -> Path:
    """The marts that say who the stays are, what they bring and their labels."""
    folder.mkdir(parents=True, exist_ok=True)
    is_main = rows["model"] == "medpatch"
    stay, first = np.unique(rows["stay_id"][is_main], return_index=True)
    number = len(stay)
    subject, split = rows["subject_id"][is_main][first], rows["split"][is_main][first]
    who = {
        "stay_id": stay,
        "subject_id": subject,
        "hadm_id": stay,
        "los_hours": np.linspace(24, 240, number),
        "age_years": 18 + stay % 75,
        "gender": np.where(stay % 2, "F", "M"),
        "race": np.where(stay % 3 == 0, "BLACK/AFRICAN AMERICAN", np.where(stay % 3 == 1, "WHITE - RUSSIAN", "ASIAN")),
        "first_careunit": np.where(stay % 50 == 0, "Tiny Unit", "Medical Intensive Care Unit (MICU)"),
    }
    brings = {"ehr_event_count": 5 + stay % 7, "cxr_count": stay % 2, "rr_count": stay % 3, "dn_count": stay * 0}
    pq.write_table(pa.table(who), folder / "stay.parquet")
    index = {"stay_id": stay, "subject_id": subject, "hadm_id": stay, "split": split, **brings}
    pq.write_table(pa.table(index), folder / "stay_index.parquet")
    labels = {name: rows[name][is_main] for name in ("stay_id", "label_name", "label")}
    labels["phenotype"] = labels.pop("label_name")
    pq.write_table(pa.table(labels), folder / "label_phenotype.parquet")
    return folder


def write_marts(folder: Path) -> Path:
    """Cohort and row counts of two steps each."""
    folder.mkdir(parents=True, exist_ok=True)
    attrition = {
        "step": [1, 0],
        "criterion": ["adult at admission", "every ICU stay"],
        "stays_left": [1390, 1400],
        "stays_lost": [10, 0],
        "subjects_left": [995, 1000],
    }
    account = {"source": ["chartevents"], "rule": ["inside the window"], "rows_in": [90], "rows_kept": [64]}
    pq.write_table(pa.table(attrition), folder / "cohort_attrition.parquet")
    pq.write_table(pa.table(account), folder / "row_account.parquet")
    return folder
