"""What alignment learns, from the train split alone: the scaler and the small vocabulary."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from medpatch.align.ehr import EhrGrid
from medpatch.align.mart import read_stays
from medpatch.align.part import on_threads
from medpatch.align.scaler import Moments, Scaler, ScalerFit, moments, published_scaler
from medpatch.align.source import Source, chunks, read_grid
from medpatch.align.tokenizer import build_word_tokenizer, load_tokenizer
from medpatch.config.modality import Scaling
from medpatch.config.model import TINY
from medpatch.config.name import Modality, Split

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def needs_scaler_fit(source: Source) -> bool:
    """True if the train bins have to be read once before anything is written."""
    return Modality.EHR in source.table and source.config.modality.scaling is Scaling.TRAIN


@dataclass(frozen=True)
class Fitted:
    """The scaler, and what fitting it has read anyway.

    Attributes:
        scaler: published, or of the train bins.
        grid: number of a chunk of the stays -> its bins, for the chunks that were kept.
    """

    scaler: Scaler
    grid: dict[int, EhrGrid]


@dataclass(frozen=True)
class _Job:
    source: Source
    rows: pl.DataFrame
    is_kept: bool


@dataclass(frozen=True)
class _Part:
    train_stays: int
    moments: Moments
    grid: EhrGrid | None


def make_scaler(source: Source, index: pl.DataFrame, *, kept_bytes: int, advance: Callable[[int], None]) -> Fitted:
    """The published statistics, or those of the train bins after imputation.

    Args:
        source: the tables.
        index: all rows of stay_index; those of the train split count.
        kept_bytes: bins up to about this size are kept, so that they need not be made twice.
        advance: told how many train stays were read.

    Raises:
        ContractError: there is nothing to fit on.
    """
    if not needs_scaler_fit(source):
        return Fitted(published_scaler(source.layout.numeric_names), {})
    fit, grids, size = ScalerFit(source.layout.numeric_names), {}, 0
    jobs = (_Job(source, rows, size < kept_bytes) for rows in chunks(index))
    for number, part in enumerate(on_threads(_fit_part, jobs)):
        fit.add(part.moments)
        if part.grid is not None:
            grids[number] = part.grid
            size += part.grid.value.nbytes + part.grid.observed.nbytes
        advance(part.train_stays)
    return Fitted(fit.finish(), grids)


def _fit_part(job: _Job) -> _Part:
    is_train = (job.rows["split"] == str(Split.TRAIN)).to_numpy()
    rows = job.rows if job.is_kept else job.rows.filter(is_train)
    grid = read_grid(job.source, rows)
    counts = np.repeat(is_train if job.is_kept else is_train[is_train], np.diff(grid.offset))
    found = moments(grid.value[:, job.source.layout.numeric][counts])
    return _Part(int(is_train.sum()), found, grid if job.is_kept else None)


def make_tokenizer(source: Source, train: pl.DataFrame) -> "PreTrainedTokenizerFast | None":
    """The tokenizer that the configuration names; None where the run has no notes.

    Raises:
        ConfigError: it cannot be loaded or used.
    """
    modality = source.config.modality
    if not source.notes:
        return None
    if modality.note_tokenizer == TINY:
        return build_word_tokenizer(_train_texts(source, train), modality.tiny_vocabulary_size)
    tokenizer = load_tokenizer(modality.note_tokenizer)
    # once, before threads share it; see chunk_notes
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def _train_texts(source: Source, train: pl.DataFrame) -> Iterator[str]:
    for name in source.notes:
        for rows in chunks(train):
            yield from read_stays(source.table[name], rows["stay_id"])["text"].drop_nulls()
