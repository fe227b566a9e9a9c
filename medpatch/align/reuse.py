"""Images and notes that earlier tensors already hold: copied instead of decoded or tokenised again."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.base import digest_of
from medpatch.config.modality import ModalityConfig
from medpatch.config.name import Modality
from medpatch.config.path import code_digest
from medpatch.contract.artifact import is_whole
from medpatch.contract.tensor import MADE_FROM, STAY_SCHEMA

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

COPIED = (Modality.CXR, Modality.RR, Modality.DN)
"""Modalities whose cells are dear to make and depend on one source each."""
MAKING_CODE = ("align",)
"""A change anywhere in this package makes every cell again."""


def key_column(modality: Modality) -> str:
    """Column of `made_from.arrow`."""
    return f"{modality}_key"


@dataclass(frozen=True)
class Cells:
    """Some cells of earlier tensors.

    Attributes:
        place: key -> row of `column`.
        column: as in STAY_SCHEMA.
    """

    place: Mapping[bytes, int]
    column: pa.Array


@dataclass(frozen=True)
class Reuse:
    """Where cells may be copied from, and what two of them must have in common.

    Attributes:
        folders: whole tensor folders, in the order in which they are looked at.
        rule: modality -> digest of all that decides a cell besides its source: code, sizes, tokenizer.
    """

    folders: tuple[Path, ...]
    rule: Mapping[Modality, str]

    def key(self, modality: Modality, *source: object) -> bytes:
        """Two cells with the same key have the same content; 16 bytes."""
        text = "\0".join((str(modality), self.rule[modality], *map(str, source)))
        return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()

    def find(self, modality: Modality, keys: Sequence[bytes | None]) -> Cells:
        """Those of the cells that an earlier folder has."""
        wanted = {key for key in keys if key is not None}
        place: dict[bytes, int] = {}
        columns = [pa.array([], STAY_SCHEMA.field(str(modality)).type)]
        for folder in self.folders:
            if not wanted:
                break
            for shard, found in _places(folder, modality, wanted=wanted).items():
                try:
                    column = pq.read_table(folder / shard, columns=[str(modality)])[str(modality)].combine_chunks()
                except (OSError, pa.ArrowException):  # removed or replaced since; the cells are made again
                    logger.warning("%s: not readable, nothing is copied from it", folder / shard)
                    continue
                first = sum(map(len, columns))
                columns.append(column.take(pa.array(list(found.values()), pa.int64())))
                place |= {key: first + i for i, key in enumerate(found)}
                wanted -= found.keys()
        return Cells(place, pa.concat_arrays(columns))


def open_reuse(
    folders: Sequence[Path], config: ModalityConfig, *, tokenizer: "PreTrainedTokenizerFast | None"
) -> Reuse:
    """What may be copied into a folder that is about to be made.

    Args:
        folders: tensor folders; those that are not whole are passed over.
        config: sizes.
        tokenizer: of the notes, None without notes.
    """
    code = code_digest(MAKING_CODE)
    words = None if tokenizer is None else tokenizer.backend_tokenizer.to_str()
    ends = None if tokenizer is None else (tokenizer.cls_token_id, tokenizer.sep_token_id)
    note = digest_of(code, words, ends, config.note_chunk_tokens, config.note_max_chunks)
    rule = {Modality.CXR: digest_of(code, config.image_size_px), Modality.RR: note, Modality.DN: note}
    return Reuse(tuple(folder for folder in folders if (folder / MADE_FROM).is_file() and is_whole(folder)), rule)


def _places(folder: Path, modality: Modality, *, wanted: set[bytes]) -> dict[str, dict[bytes, int]]:
    """Shard -> key -> row; each key once."""
    name = key_column(modality)
    try:
        keys = _read_keys(folder, (folder / MADE_FROM).stat().st_mtime_ns)
    except (OSError, pl.exceptions.PolarsError):
        logger.warning("%s: not readable, nothing is copied from there", folder / MADE_FROM)
        return {}
    found = keys.filter(pl.col(name).is_in(list(wanted))).unique(name, keep="first", maintain_order=True)
    places: dict[str, dict[bytes, int]] = {}
    for shard, row, key in found.select("shard", "row", name).iter_rows():
        places.setdefault(shard, {})[key] = row
    return places


@lru_cache(maxsize=8)
def _read_keys(folder: Path, changed: int) -> pl.DataFrame:
    """Read once per process and state of the file."""
    return pl.read_ipc(folder / MADE_FROM)
