"""What came out of an alignment, in counts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from medpatch.config.name import Split
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.tensor import ALIGN_REPORT, SPEC


@dataclass(frozen=True)
class AlignReport:
    """Counts of one alignment; no value of a patient.

    Attributes:
        stay_count: stays per split.
        presence_count: per split, stays that have each modality of the run.
        image_count: images that were asked for.
        unreadable_dicom_ids: images that were absent or not readable; their stays went on without.
        stays_without_input: stays that have none of the run's modalities.
    """

    stay_count: Mapping[str, int]
    presence_count: Mapping[str, Mapping[str, int]]
    image_count: int
    unreadable_dicom_ids: tuple[str, ...]
    stays_without_input: int

    @property
    def unreadable_image_count(self) -> int:
        """Images that were absent or not readable."""
        return len(self.unreadable_dicom_ids)


def summarise(
    manifest: pl.DataFrame, config: PipelineConfig, *, image_count: int, unreadable: Sequence[str]
) -> AlignReport:
    """Count the manifest."""
    modalities = config.modality.modalities
    by_split = {str(split): manifest.filter(pl.col("split") == str(split)) for split in Split}
    has_any = pl.any_horizontal(pl.col(f"has_{m}") for m in modalities)
    return AlignReport(
        stay_count={split: rows.height for split, rows in by_split.items()},
        presence_count={
            split: {str(m): int(rows[f"has_{m}"].sum()) for m in modalities} for split, rows in by_split.items()
        },
        image_count=image_count,
        unreadable_dicom_ids=tuple(sorted(unreadable)),
        stays_without_input=manifest.filter(~has_any).height,
    )


def write_description(
    folder: Path,
    report: AlignReport,
    *,
    config: PipelineConfig,
    train_label: np.ndarray,
    vocabulary_size: int,
    pad_id: int,
) -> None:
    """Write the report, and the facts that a reader of the shards needs.

    Args:
        folder: the tensor folder.
        report: its counts.
        config: the run.
        train_label: (n, K) labels of the train stays.
        vocabulary_size: ids of the note tokenizer, 0 without notes.
        pad_id: its padding id.
    """
    (folder / ALIGN_REPORT).write_text(json.dumps(asdict(report), indent=1))
    spec = {
        "task": str(config.cohort.task),
        "label_names": list(config.labels),
        "modalities": [str(m) for m in config.modality.modalities],
        "image_size_px": config.modality.image_size_px,
        "note_chunk_tokens": config.modality.note_chunk_tokens,
        "vocabulary_size": vocabulary_size,
        "pad_id": pad_id,
        "stay_count": report.stay_count,
        "presence_count": report.presence_count,
        "train_label_sum": [int(k) for k in train_label.sum(axis=0, dtype=np.int64)],
    }
    (folder / SPEC).write_text(json.dumps(spec, indent=1))
