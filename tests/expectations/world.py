"""A small made-up warehouse, manifest and prediction table in which every expectation holds."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from medpatch.config.name import MORTALITY_LABEL, PHENOTYPES
from medpatch.config.override import apply_overrides
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import tiny_in_hospital_mortality, tiny_phenotyping
from medpatch.contract.prediction import PREDICTION_SCHEMA
from medpatch.contract.table import TABLES
from medpatch.contract.tensor import MANIFEST_SCHEMA, shard_name
from medpatch.validate.source import read_channels

Tables = dict[str, pl.DataFrame]

MORTALITY: PipelineConfig = tiny_in_hospital_mortality()
PHENOTYPING: PipelineConfig = tiny_phenotyping()
CORRECTED_PHENOTYPING = apply_overrides(PHENOTYPING, {"cohort.profile": "corrected"})
STAYS = 40
HOURS = 60.0
WINDOW = 48.0
INTIME = datetime(2150, 1, 1, 8)
SHARDS = tuple(shard_name(split, 0) for split in ("train", "val", "test"))


def split_of(subject: int) -> str:
    """Fixed shares: 24 train, 6 val, 10 test of 40."""
    return "train" if subject < 124 else "val" if subject < 130 else "test"


def _frame(schema: object, columns: dict[str, object]) -> pl.DataFrame:
    empty = pl.from_arrow(schema.empty_table())
    return pl.DataFrame(columns, schema=empty.schema)


def warehouse() -> Tables:
    """Tables of 40 stays of 40 subjects: every stay 60 h long, watched for 48 h, with one image and two reports."""
    stay_id = [300 + i for i in range(STAYS)]
    subject_id = [100 + i for i in range(STAYS)]
    intime = [INTIME + timedelta(days=i) for i in range(STAYS)]
    outtime = [t + timedelta(hours=HOURS) for t in intime]
    dead = [i % 8 == 0 for i in range(STAYS)]
    tables = {
        "stay": {
            "subject_id": subject_id,
            "hadm_id": [200 + i for i in range(STAYS)],
            "stay_id": stay_id,
            "intime": intime,
            "outtime": outtime,
            "los_hours": [HOURS] * STAYS,
            "age_years": [40 + i for i in range(STAYS)],
            "gender": ["F", "M"] * (STAYS // 2),
            "race": ["WHITE"] * STAYS,
            "in_hospital_mortality": dead,
            "first_careunit": ["MICU"] * STAYS,
        },
        "cohort_attrition": {
            "step": [0, 1, 2],
            "criterion": ["all", "adult", "one stay"],
            "stays_left": [50, 45, 40],
            "stays_lost": [0, 5, 5],
            "subjects_left": [48, 44, 40],
        },
        "label_in_hospital_mortality": {"stay_id": stay_id, "label": [int(d) for d in dead]},
        "label_phenotype": {
            "stay_id": [s for s in stay_id for _ in PHENOTYPES],
            "phenotype": list(PHENOTYPES) * STAYS,
            "label": [(i + k) % 5 // 4 for i in range(STAYS) for k in range(len(PHENOTYPES))],
        },
        "row_account": {
            "source": ["chartevents"] * 3 + ["radiology"] * 2,
            "rule": ["staged", "cohort", "not: time missing", "staged", "joined"],
            "rows_in": [100, 80, 60, 90, 90],
            "rows_kept": [80, 60, 60, 90, 80],
            "rows_published": [100, None, None, None, None],
        },
        "ehr_event": _events(stay_id),
        "subject_split": {"subject_id": subject_id, "split": [split_of(s) for s in subject_id]},
        "cxr_study": {
            "stay_id": stay_id,
            "subject_id": subject_id,
            "study_id": [500 + i for i in range(STAYS)],
            "dicom_id": [f"dicom-{i}" for i in range(STAYS)],
            "studytime": [t + timedelta(hours=6) for t in intime],
            "hours_after_intime": [6.0] * STAYS,
            "view_position": ["AP"] * STAYS,
            "image_path": [f"files/p10/p100/s{i}/dicom-{i}.jpg" for i in range(STAYS)],
            "reason": ["latest AP in the window"] * STAYS,
        },
        "radiology_report": _notes(stay_id, intime, per_stay=2),
        "discharge_note": _notes(stay_id, intime, per_stay=0),
        "stay_index": {
            "stay_id": stay_id,
            "subject_id": subject_id,
            "hadm_id": [200 + i for i in range(STAYS)],
            "split": [split_of(s) for s in subject_id],
            "window_start": intime,
            "window_end": [t + timedelta(hours=WINDOW) for t in intime],
            "window_hours": [WINDOW] * STAYS,
            "ehr_event_count": [len(read_channels())] * STAYS,
            "cxr_count": [1] * STAYS,
            "rr_count": [2] * STAYS,
            "dn_count": [0] * STAYS,
        },
    }
    return {name: _frame(TABLES[name], columns) for name, columns in tables.items()}


def manifest() -> pl.DataFrame:
    """40 stays; the first has no image and no report, and none has a discharge note."""
    subject_id = [100 + i for i in range(STAYS)]
    split = [split_of(s) for s in subject_id]
    has_image = [i > 0 for i in range(STAYS)]
    return _frame(
        MANIFEST_SCHEMA,
        {
            "stay_id": [300 + i for i in range(STAYS)],
            "subject_id": subject_id,
            "split": split,
            "shard": [shard_name(s, 0) for s in split],
            "row": [split[:i].count(s) for i, s in enumerate(split)],
            "window_hours": [WINDOW] * STAYS,
            "has_ehr": [True] * (STAYS - 1) + [False],
            "has_cxr": has_image,
            "has_rr": has_image,
            "has_dn": [False] * STAYS,
            "ehr_steps": [48] * (STAYS - 1) + [0],
            "ehr_min": [-3.0] * (STAYS - 1) + [None],
            "ehr_max": [4.0] * (STAYS - 1) + [None],
            "ehr_observed_share": [0.3] * (STAYS - 1) + [None],
            "ehr_one_hot_sum_min": [5.0] * (STAYS - 1) + [None],
            "ehr_one_hot_sum_max": [5.0] * (STAYS - 1) + [None],
            "cxr_size_px": [64 if there else 0 for there in has_image],
            "cxr_mean": [100.0 if there else None for there in has_image],
            "rr_tokens": [50 if there else 0 for there in has_image],
            "dn_tokens": [0] * STAYS,
            "label_count": [1] * STAYS,
            "label_sum": [int(i % 8 == 0) for i in range(STAYS)],
        },
    )


def prediction() -> pl.DataFrame:
    """Two models on the 10 test and 6 val stays of the mortality task."""
    rows = []
    for model, shift in (("medpatch", 0.0), ("unimodal_ehr", 0.3)):
        for i in range(24, STAYS):
            logit = shift + (i % 5) / 2 - 3
            rows.append(
                {
                    "model": model,
                    "split": split_of(100 + i),
                    "subject_id": 100 + i,
                    "stay_id": 300 + i,
                    "label_name": MORTALITY_LABEL,
                    "label": int(i % 8 == 0),
                    "logit": logit,
                    "probability": 1 / (1 + np.exp(-logit)),
                    "is_available": True,
                }
            )
    return _frame(PREDICTION_SCHEMA, {name: [r[name] for r in rows] for name in PREDICTION_SCHEMA.names})


def _events(stay_id: list[int]) -> dict[str, list[object]]:
    rows = [
        (stay, 1.0 + k, channel) for stay in stay_id for k, channel in enumerate(read_channels().iter_rows(named=True))
    ]
    middle = [None if c["is_text"] else (c["plausible_low"] + c["plausible_high"]) / 2 for _, _, c in rows]
    return {
        "stay_id": [stay for stay, _, _ in rows],
        "hours_after_intime": [hours for _, hours, _ in rows],
        "variable": [c["variable"] for _, _, c in rows],
        "value": middle,
        "value_text": [c["answers"][0] if c["is_text"] else None for _, _, c in rows],
    }


def _notes(stay_id: list[int], intime: list[datetime], *, per_stay: int) -> dict[str, list[object]]:
    at = [(stay, start, k) for stay, start in zip(stay_id, intime, strict=True) for k in range(per_stay)]
    return {
        "stay_id": [stay for stay, _, _ in at],
        "note_id": [f"{stay}-RR-{k}" for stay, _, k in at],
        "note_order": [k for _, _, k in at],
        "charttime": [start + timedelta(hours=2 + k) for _, start, k in at],
        "storetime": [start + timedelta(hours=3 + k) for _, start, k in at],
        "hours_after_intime": [2.0 + k for _, _, k in at],
        "text": ["no acute findings"] * len(at),
        "reason": ["inside the window"] * len(at),
    }
