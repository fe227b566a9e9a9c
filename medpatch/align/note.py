"""The notes of each stay as chunks of input ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class NoteChunks:
    """Input ids of n stays, flat.

    Attributes:
        input_ids: (I,) int32, every chunk with its own [CLS] and [SEP].
        chunk_offset: (Q + 1,) int32, ids of chunk q are chunk_offset[q]:chunk_offset[q + 1].
        stay_offset: (n + 1,) int32, chunks of stay i are stay_offset[i]:stay_offset[i + 1]; none if absent.
    """

    input_ids: np.ndarray
    chunk_offset: np.ndarray
    stay_offset: np.ndarray

    @property
    def column(self) -> pa.ListArray:
        """One row per stay, null where it has no chunk."""
        is_full = pl.Series(np.append(np.diff(self.stay_offset) > 0, True))
        null = pl.Series([None], dtype=pl.Int32)
        offset = pl.Series(self.stay_offset.astype(np.int32)).zip_with(is_full, null)  # null there = null row
        chunks = pa.ListArray.from_arrays(pl.Series(self.chunk_offset).to_arrow(), pl.Series(self.input_ids).to_arrow())
        return pa.ListArray.from_arrays(offset.to_arrow(), chunks)

    def filled_from(self, other: pa.ListArray, place: Sequence[int | None]) -> "NoteChunks":
        """These chunks, and those of other[place[i]] for each stay i that has a place."""
        row = [i if p is None else len(place) + p for i, p in enumerate(place)]
        whole = pa.concat_arrays([self.column, other]).take(pa.array(row, pa.int64()))
        chunks = whole.values
        return NoteChunks(*(a.to_numpy() for a in (chunks.values, chunks.offsets, whole.offsets)))


def join_notes(notes: pl.DataFrame) -> pl.DataFrame:
    """Columns stay_id and text: the notes of a stay in note_order, one blank between; blank stays left out.

    Source: MedPatch joins the reports of a stay with a blank.
    """
    return (
        notes.with_columns(pl.col("text").fill_null("").str.strip_chars())
        .filter(pl.col("text") != "")
        .sort("stay_id", "note_order", "note_id")
        .group_by("stay_id", maintain_order=True)
        .agg(pl.col("text").str.join(" "))
    )


def chunk_notes(
    joined: pl.DataFrame,
    stay_id: np.ndarray,
    *,
    tokenizer: "PreTrainedTokenizerFast",
    chunk_tokens: int,
    max_chunks: int | None,
) -> NoteChunks:
    """Tokenise and cut.

    Chunks follow each other from the first word without overlap, so only the last one is short. With
    `max_chunks` the last chunks stay: notes are in order of time as a rule, so that is the newest text.

    Args:
        joined: what `join_notes` gives.
        stay_id: (n,) int64, ascending; stays without text get no chunk.
        tokenizer: a fast tokenizer with [CLS] and [SEP].
        chunk_tokens: ids per chunk, [CLS] and [SEP] included.
        max_chunks: chunks kept per stay; None = all.

    Source: MedPatch, chunks of 512 ids, stride 0. Deviates: no limit there, and short chunks are padded.
    """
    engine = tokenizer.backend_tokenizer
    if engine.truncation is not None or engine.padding is not None:  # a change would disturb other threads
        engine.no_truncation()
        engine.no_padding()
    start, end, body = tokenizer.cls_token_id, tokenizer.sep_token_id, chunk_tokens - 2
    input_ids: list[np.ndarray] = []
    chunk_count = np.zeros(len(stay_id), dtype=np.int64)
    chunk_length: list[int] = []
    encodings = engine.encode_batch_fast(joined["text"].to_list(), add_special_tokens=False)
    for stay, encoding in zip(np.searchsorted(stay_id, joined["stay_id"].to_numpy()), encodings, strict=True):
        ids = np.array(encoding.ids, dtype=np.int32)
        first_positions = range(0, len(ids), body)[-max_chunks if max_chunks else None :]
        for first in first_positions:
            chunk = np.concatenate([[start], ids[first : first + body], [end]], dtype=np.int32)
            input_ids.append(chunk)
            chunk_length.append(len(chunk))
        chunk_count[stay] = len(first_positions)
    return NoteChunks(
        input_ids=np.concatenate(input_ids) if input_ids else np.zeros(0, dtype=np.int32),
        chunk_offset=_offset(chunk_length),
        stay_offset=_offset(chunk_count),
    )


def _offset(counts: np.ndarray | list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
