"""What alignment learns, from the train split alone: the scaler and the small vocabulary."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import polars as pl

from medpatch.align.mart import read_stays
from medpatch.align.scaler import Scaler, ScalerFit, published_scaler
from medpatch.align.source import Source, chunks, read_grid
from medpatch.align.tokenizer import build_word_tokenizer, load_tokenizer
from medpatch.config.modality import Scaling
from medpatch.config.model import TINY
from medpatch.config.name import Modality

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def needs_scaler_fit(source: Source) -> bool:
    """True if the train bins have to be read once before anything is written."""
    return Modality.EHR in source.table and source.config.modality.scaling is Scaling.TRAIN


def make_scaler(source: Source, train: pl.DataFrame, *, advance: Callable[[int], None]) -> Scaler:
    """The published statistics, or those of the train bins after imputation.

    Args:
        source: the tables.
        train: rows of stay_index of the train split.
        advance: told how many stays were read.

    Raises:
        ContractError: there is nothing to fit on.
    """
    names = source.layout.numeric_names
    if not needs_scaler_fit(source):
        return published_scaler(names)
    fit = ScalerFit(names)
    for rows in chunks(train):
        grid = read_grid(source, rows)
        if grid is not None:
            fit.add(grid.value[:, source.layout.numeric])
        advance(rows.height)
    return fit.finish()


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
