"""Small made-up warehouses: each test states the few rows that it is about."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from medpatch.align.report import AlignReport
from medpatch.align.shard import write_shards
from medpatch.config.name import Modality, Task, label_names
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import preset
from medpatch.contract.table import TABLES, warehouse_file

INTIME = datetime(2150, 1, 1)
HEART_RATE = "Heart Rate"
EYE_OPENING = "Glascow coma scale eye opening"

Event = tuple[int, float, str, float | str]
Note = tuple[int, int, str | None]
STAYS = {11: "train", 3: "train", 7: "train", 5: "val", 9: "test"}
EVENTS = [(s, 0.5 + s, HEART_RATE, 60.0 + s) for s in STAYS]


def align(tmp_path: Path, config: PipelineConfig, *, cxr_dir: Path | None = None, name: str = "tensor") -> AlignReport:
    return write_shards(tmp_path / "mart", cxr_dir, config=config, out_dir=tmp_path / name, inputs="made-up")


def write_warehouse(
    folder: Path,
    stays: dict[int, str],
    *,
    task: Task = Task.IN_HOSPITAL_MORTALITY,
    hours: float | dict[int, float] = 48.0,
    events: Sequence[Event] = (),
    images: dict[int, str] | None = None,
    rr: Sequence[Note] = (),
    dn: Sequence[Note] = (),
    positive: Sequence[int] = (),
) -> Path:
    """Write the tables that align reads.

    Args:
        folder: where to.
        stays: stay_id -> split; the subject is stay_id + 1,000,000.
        task: whose label table is written.
        hours: window length, of all stays or of each.
        events: (stay_id, hours_after_intime, variable, number or text).
        images: stay_id -> image path.
        rr: (stay_id, note_order, text).
        dn: likewise.
        positive: stays whose labels are all 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    length = hours if isinstance(hours, dict) else dict.fromkeys(stays, hours)
    index = [
        {
            "stay_id": stay_id,
            "subject_id": stay_id + 1_000_000,
            "hadm_id": stay_id + 2_000_000,
            "split": split,
            "window_start": INTIME,
            "window_end": INTIME + timedelta(hours=length[stay_id]),
            "window_hours": length[stay_id],
        }
        for stay_id, split in stays.items()
    ]
    write_table(folder, "stay_index", index)
    if task is Task.PHENOTYPING:
        labels = [
            {"stay_id": s, "phenotype": name, "label": int(s in positive)}
            for s in stays
            for name in reversed(label_names(task))
        ]
        write_table(folder, "label_phenotype", labels)
    else:
        labels = [{"stay_id": s, "label": int(s in positive)} for s in stays]
        write_table(folder, "label_in_hospital_mortality", labels)
    write_table(folder, "ehr_event", [event_row(*event) for event in events])
    studies = [{"stay_id": s, "dicom_id": f"dicom-{s}", "image_path": path} for s, path in (images or {}).items()]
    write_table(folder, "cxr_study", studies)
    for name, notes in (("radiology_report", rr), ("discharge_note", dn)):
        rows = [{"stay_id": s, "note_id": f"{s}-{n}", "note_order": n, "text": text} for s, n, text in notes]
        write_table(folder, name, rows)
    return folder


def write_table(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Write rows as a mart table; columns that a row lacks are null."""
    schema = TABLES[name]
    whole = [{column: row.get(column) for column in schema.names} for row in rows]
    pq.write_table(pa.Table.from_pylist(whole, schema), folder / warehouse_file(name))


def event_row(stay_id: int, hours: float, variable: str, value: float | str) -> dict[str, Any]:
    """One row of ehr_event."""
    is_text = isinstance(value, str)
    return {
        "stay_id": stay_id,
        "hours_after_intime": hours,
        "variable": variable,
        "value": None if is_text else value,
        "value_text": value if is_text else None,
    }


def write_image(file: Path, shade: int, *, width: int = 40, height: int = 30) -> None:
    """An evenly grey picture."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width), shade, dtype=np.uint8)).save(file)


def tiny_config(
    *modalities: Modality, task: Task = Task.IN_HOSPITAL_MORTALITY, **modality_fields: Any
) -> PipelineConfig:
    """A tiny preset with these modalities and these fields of ModalityConfig."""
    full = preset(f"tiny_{task.value}")
    update = {**modality_fields, "modalities": modalities} if modalities else modality_fields
    return full.model_copy(update={"modality": full.modality.model_copy(update=update)})
