"""Cached tokens to the pools that fusion reads: per stay and label one mean of high and one of low tokens."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.code import FEATURE_CODE
from medpatch.config.model import Compat
from medpatch.config.name import Modality, Split
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.artifact import writing
from medpatch.contract.batch import Tokens
from medpatch.feature.column import ColumnWriter, open_column
from medpatch.feature.encode import (
    STAYS_AT_ONCE,
    Encode,
    Progress,
    encoder_of,
    encoding_seed,
    raw_inputs,
    seed_of_view,
)
from medpatch.feature.opening import choose_device, input_spec
from medpatch.feature.split import FeatureFolder, FeatureSplit, open_features, read_about, split_stem
from medpatch.model.checkpoint import load_scorer, load_unimodal
from medpatch.model.confidence import TokenScorer
from medpatch.model.extractor import pool_tokens
from medpatch.model.feature import ModalityFeature

ABOUT = "pools.json"
ABSENT = "absent"
TOKENS_AT_ONCE, MOST_STAYS_AT_ONCE = 1 << 16, 1 << 12
HEAVY = ("high", "low")
_Again = tuple[Encode, Tensor]
COLUMNS = tuple(f.name for f in fields(ModalityFeature) if f.name != "pooled")
"""The summaries lie with the features."""


def write_pools(
    config: PipelineConfig,
    tensor_dir: Path,
    *,
    modality: Modality,
    out_dir: Path,
    feature_dir: Path,
    unimodal_dir: Path,
    confidence_dir: Path,
    inputs: str,
    progress: Progress | None = None,
) -> None:
    """Pool the cached tokens of every stay; only stays whose tokens found no room are encoded again.

    Args:
        config: the run.
        tensor_dir: shards.
        modality: which one.
        out_dir: folder to make; it may be deleted at any time, the train step makes it again.
        feature_dir: what the encoder left.
        unimodal_dir: its stage-1 folder.
        confidence_dir: the scorer's stage-2 folder.
        inputs: digest of what the pools depend on.
        progress: called with (stays done, stays).

    Raises:
        CheckpointError: one of the folders is absent, broken or of other tensors.
    """
    spec, data = input_spec(tensor_dir)
    device = choose_device(config.train.device)
    features = open_features(feature_dir, modality, data=data)
    scorer = load_scorer(confidence_dir, width=features.width, device=device, data=data)
    parts = [(s, v) for s in Split for v in range(features.views if s is Split.TRAIN else 1)]
    total, done = sum(len(features.split(*part)) for part in parts), 0
    padded = config.model.fusion.compat is Compat.PUBLISHED
    dtype = getattr(torch, config.train.cache_type)
    with writing(out_dir, inputs=inputs, packages=FEATURE_CODE) as aside, torch.no_grad():
        for split, view in parts:
            with ExitStack() as stack:

                def encode_again(split: Split = split, view: int = view, stack: ExitStack = stack) -> _Again:
                    network = load_unimodal(unimodal_dir, device=device, data=data)
                    part = stack.enter_context(
                        raw_inputs(tensor_dir, split, modality=modality, spec=spec, beside=out_dir)
                    )
                    seed = seed_of_view(encoding_seed(config, modality), view)
                    encode = encoder_of(network, part, device=device, config=config.train, view_seed=seed)
                    return encode, part.stay_id

                columns = _Columns(aside / split_stem(split, view), dtype)
                for tokens in _tokens(features.split(split, view), encode_again, device=device):
                    columns.append(pool_tokens(scorer, tokens, pools_padding=padded))
                    done += len(tokens.pooled)
                    if progress:
                        progress(done, total)
                columns.close()
        columns = _Columns(aside / ABSENT, dtype)
        columns.append(_absent(scorer, features, padded=padded, device=device))
        columns.close()
        about = {"modality": modality, "data": data, "width": features.width}
        (aside / ABOUT).write_text(json.dumps(about, indent=1))


def open_pools(folder: Path, split: Split, *, view: int = 0) -> dict[str, Tensor]:
    """Columns (n, ...) of `ModalityFeature` but the summaries, in the order of the features of that split.

    Raises:
        CheckpointError: the folder is absent or not whole.
    """
    read_about(folder / ABOUT)
    return {name: open_column(folder / f"{split_stem(split, view)}.{name}") for name in COLUMNS}


def open_absent(folder: Path) -> dict[str, Tensor]:
    """Columns (1, ...) for a stay that lacks the modality."""
    return {name: open_column(folder / f"{ABSENT}.{name}") for name in COLUMNS}


class _Columns:
    """One file per column."""

    def __init__(self, stem: Path, dtype: torch.dtype) -> None:
        self._column = {
            name: ColumnWriter(stem.with_name(f"{stem.name}.{name}"), dtype=dtype if name in HEAVY else None)
            for name in COLUMNS
        }

    def append(self, feature: ModalityFeature) -> None:
        for name, column in self._column.items():
            column.append(getattr(feature, name))

    def close(self) -> None:
        for column in self._column.values():
            column.close()


def _tokens(split: FeatureSplit, encode_again: Callable[[], _Again], *, device: torch.device) -> Iterator[Tokens]:
    """The tokens of all stays in stored order, a bounded number at a time."""
    kept = len(split.tokens)
    for index in _chunks(split.tokens.length):
        value, mask = split.tokens.take(index)
        yield Tokens(value.to(device).float(), mask.to(device), split.pooled[index].to(device))
    if kept == len(split):
        return
    encode, known = encode_again()
    ordered, order = known.sort()
    for stays in split.stay_id[kept:].split(STAYS_AT_ONCE):
        yield encode(order[torch.searchsorted(ordered, stays)])


def _chunks(length: Tensor) -> Iterator[Tensor]:
    """Neighbouring stays, as many as fit into `TOKENS_AT_ONCE` when padded."""
    first = 0
    while first < len(length):
        longest = length[first : first + MOST_STAYS_AT_ONCE].cummax(dim=0).values
        fits = longest * torch.arange(1, len(longest) + 1) <= TOKENS_AT_ONCE
        count = max(1, int(fits.sum()))
        yield torch.arange(first, first + count)
        first += count


def _absent(scorer: TokenScorer, features: FeatureFolder, *, padded: bool, device: torch.device) -> ModalityFeature:
    # what the extractor makes of a stay without the modality: one silent position
    silent = torch.zeros(1, 1, features.width, device=device)
    none = torch.zeros(1, 1, dtype=torch.bool, device=device)
    return pool_tokens(scorer, Tokens(silent, none, silent[:, 0]), pools_padding=padded)
