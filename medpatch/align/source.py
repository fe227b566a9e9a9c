"""The mart tables of one run, read a chunk of stays at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from medpatch.align.channel import ChannelLayout, read_channels
from medpatch.align.cxr import read_images, size_and_time
from medpatch.align.ehr import EhrGrid, bin_events, encode_events
from medpatch.align.mart import read_stays, scan_mart
from medpatch.align.note import NoteChunks, chunk_notes, join_notes
from medpatch.align.reuse import Cells, Reuse
from medpatch.config.error import ConfigError, ContractError
from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TABLE = {
    Modality.EHR: "ehr_event",
    Modality.CXR: "cxr_study",
    Modality.RR: "radiology_report",
    Modality.DN: "discharge_note",
}
NOTES = (Modality.RR, Modality.DN)

CHUNK_STAYS = 1024
"""Stays aligned at once by one worker."""


@dataclass(frozen=True)
class Source:
    """What a chunk of stays is read from.

    Attributes:
        table: the mart tables of the run's modalities, not yet read.
        cxr_dir: the MIMIC-CXR-JPG folder.
        config: the run.
        layout: the EHR channels.
    """

    table: dict[Modality, pl.LazyFrame]
    cxr_dir: Path | None
    config: PipelineConfig
    layout: ChannelLayout

    @property
    def notes(self) -> tuple[Modality, ...]:
        """The text modalities of the run."""
        return tuple(m for m in NOTES if m in self.table)


@dataclass(frozen=True)
class Images:
    """The radiographs of n stays.

    Attributes:
        image: per stay (H, H) uint8, or None.
        key: per stay what the image was made from (see `Reuse`), or None.
        copied: how many come from earlier tensors.
        asked: how many of the stays have a chosen study.
        unreadable_dicom_ids: those of them whose file is absent or not readable.
    """

    image: list[np.ndarray | None]
    key: list[bytes | None]
    copied: int
    asked: int
    unreadable_dicom_ids: tuple[str, ...]


@dataclass(frozen=True)
class Notes:
    """The notes of one modality of n stays.

    Attributes:
        chunks: tokenised; None where the run has no such notes.
        key: per stay what its notes were made from (see `Reuse`), or None.
        copied: stays whose notes come from earlier tensors.
    """

    chunks: NoteChunks | None
    key: list[bytes | None]
    copied: int


def open_source(warehouse_dir: Path, cxr_dir: Path | None, *, config: PipelineConfig) -> Source:
    """The tables that the run's modalities need; those of others are not looked at.

    Raises:
        ContractError: one of them is absent or lacks a column.
        ConfigError: radiographs are wanted and there is no folder of them.
    """
    modalities = config.modality.modalities
    if Modality.CXR in modalities and cxr_dir is None:
        raise ConfigError("modality.modalities: cxr needs the MIMIC-CXR-JPG folder; give it, or leave cxr out")
    table = {m: scan_mart(warehouse_dir, TABLE[m]) for m in modalities}
    return Source(table, cxr_dir, config, read_channels())


def chunks(index: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Consecutive rows of stay_index, few enough to hold everything about them."""
    return index.iter_slices(CHUNK_STAYS)


def read_grid(source: Source, rows: pl.DataFrame) -> EhrGrid | None:
    """The time bins of these stays; None where the run has no EHR."""
    if Modality.EHR not in source.table:
        return None
    cohort = source.config.cohort
    end_hours = rows["window_hours"].to_numpy()
    if cohort.window_hours is not None:
        end_hours = np.full(rows.height, float(cohort.window_hours))
    return bin_events(
        encode_events(read_stays(source.table[Modality.EHR], rows["stay_id"]), source.layout),
        rows["stay_id"].to_numpy(),
        end_hours=end_hours,
        layout=source.layout,
        timestep_hours=cohort.timestep_hours,
    )


def read_cxr(source: Source, rows: pl.DataFrame, *, reuse: Reuse) -> Images:
    """The chosen radiograph of these stays, copied from earlier tensors where they have it.

    Raises:
        ContractError: a stay has more than one chosen study.
    """
    image: list[np.ndarray | None] = [None] * rows.height
    key: list[bytes | None] = [None] * rows.height
    if Modality.CXR not in source.table or source.cxr_dir is None:
        return Images(image, key, 0, 0, ())
    study = read_stays(source.table[Modality.CXR], rows["stay_id"])
    repeated = study.filter(pl.col("stay_id").is_duplicated())
    if not repeated.is_empty():
        raise ContractError(
            f"cxr_study: {repeated['stay_id'].n_unique()} stays have several images (first stay_id "
            f"{repeated['stay_id'].min()}), expected the one chosen; look at sql/5_modality/cxr_study.sql"
        )
    paths = study["image_path"].fill_null("").to_list()
    keys = [reuse.key(Modality.CXR, path, *size_and_time(source.cxr_dir / path)) for path in paths]
    size_px = source.config.modality.image_size_px
    cells = reuse.find(Modality.CXR, keys)
    absent = [source.cxr_dir / path for path, k in zip(paths, keys, strict=True) if k not in cells.place]
    decoded = iter(read_images(absent, size_px))
    unreadable: list[str] = []
    for position, dicom_id, k in zip(
        rows["stay_id"].search_sorted(study["stay_id"]), study["dicom_id"], keys, strict=True
    ):
        square = _square(cells, k, size_px=size_px) if k in cells.place else next(decoded)
        image[position], key[position] = square, None if square is None else k
        if square is None:
            unreadable.append(dicom_id)
    return Images(image, key, study.height - len(absent), study.height, tuple(unreadable))


def read_notes(
    source: Source,
    modality: Modality,
    *,
    rows: pl.DataFrame,
    tokenizer: "PreTrainedTokenizerFast | None",
    reuse: Reuse,
) -> Notes:
    """The tokenised notes of these stays, copied from earlier tensors where they have the same text."""
    key: list[bytes | None] = [None] * rows.height
    if modality not in source.table or tokenizer is None:
        return Notes(None, key, 0)
    joined = join_notes(read_stays(source.table[modality], rows["stay_id"]))
    keys = [reuse.key(modality, text) for text in joined["text"]]
    positions = rows["stay_id"].search_sorted(joined["stay_id"]).to_list()
    for position, k in zip(positions, keys, strict=True):
        key[position] = k
    cells = reuse.find(modality, keys)
    is_absent = pl.Series([k not in cells.place for k in keys], dtype=pl.Boolean)
    chunks = chunk_notes(
        joined.filter(is_absent),
        rows["stay_id"].to_numpy(),
        tokenizer=tokenizer,
        chunk_tokens=source.config.modality.note_chunk_tokens,
        max_chunks=source.config.modality.note_max_chunks,
    )
    copied = joined.height - int(is_absent.sum())
    return Notes(chunks.filled_from(cells.column, [cells.place.get(k) for k in key]) if copied else chunks, key, copied)


def _square(cells: Cells, key: bytes, *, size_px: int) -> np.ndarray:
    pixels = cells.column[cells.place[key]].as_buffer()
    return np.frombuffer(pixels, dtype=np.uint8).reshape(size_px, size_px)
