"""One pass of a frozen encoder over all splits; what later stages read of it is kept on disk."""

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import torch
from torch import Tensor

from medpatch.config.code import FEATURE_CODE
from medpatch.config.name import Modality, Split, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import Precision, TrainConfig
from medpatch.contract.artifact import writing
from medpatch.contract.batch import Tokens
from medpatch.feature.augment import random_view
from medpatch.feature.batching import shuffled
from medpatch.feature.column import ColumnWriter
from medpatch.feature.compiled import compiled
from medpatch.feature.opening import choose_device, input_spec, open_index, open_split
from medpatch.feature.ragged import Inputs, RaggedWriter, collect_inputs
from medpatch.feature.seed import derive_seed, deterministic
from medpatch.feature.shorten import shorten
from medpatch.feature.split import ABOUT, split_stem
from medpatch.model.build import build_unimodal
from medpatch.model.checkpoint import load_unimodal
from medpatch.model.spec import InputSpec
from medpatch.model.unimodal import Unimodal

STAYS_AT_ONCE = 64
BYTES_PER_GIB = 2**30

Progress = Callable[[int, int], None]
Encode = Callable[[Tensor], Tokens]
"""From indices (B,) of stays to their tokens."""


def write_features(
    config: PipelineConfig,
    tensor_dir: Path,
    *,
    modality: Modality,
    out_dir: Path,
    unimodal_dir: Path | None,
    inputs: str,
    progress: Progress | None = None,
) -> None:
    """Encode every stay of every split once and write what is kept to `out_dir`.

    Args:
        config: the run.
        tensor_dir: shards.
        modality: which one.
        out_dir: folder to make; it may be deleted at any time, the train step makes it again.
        unimodal_dir: stage-1 folder of the encoder; None for an encoder that is never trained.
        inputs: digest of what the features depend on.
        progress: called with (stays done, stays).

    Raises:
        CheckpointError: the stage-1 folder is absent, broken or of other tensors.
        ConfigError: the encoder cannot be loaded, or not be compiled where that is asked for.
    """
    spec, data = input_spec(tensor_dir)
    device = choose_device(config.train.device)
    seed = encoding_seed(config, modality)
    views = {s: config.train.cxr_views if (s, modality) == (Split.TRAIN, Modality.CXR) else 1 for s in Split}
    total = sum(int(open_index(tensor_dir, s, modalities=(modality,)).presence.sum()) * views[s] for s in Split)
    done = 0
    with deterministic(seed):
        if unimodal_dir is None:
            network = build_unimodal(config.model, spec, modality=modality).to(device).eval()
        else:
            network = load_unimodal(unimodal_dir, device=device, data=data)
        with (
            compiled(network, is_wanted=config.train.compile_encoders),
            writing(out_dir, inputs=inputs, packages=FEATURE_CODE) as aside,
        ):
            for split in Split:
                with raw_inputs(tensor_dir, split, modality=modality, spec=spec, beside=out_dir) as part:
                    for view in range(views[split]):
                        encode = encoder_of(
                            network, part, device=device, config=config.train, view_seed=seed_of_view(seed, view)
                        )
                        for stays in _write_split(
                            part, encode, stem=aside / split_stem(split, view), config=config.train, seed=seed
                        ):
                            done += stays
                            if progress:
                                progress(done, total)
            about = {"modality": modality, "width": network.encoder.width, "data": data, "views": views[Split.TRAIN]}
            (aside / ABOUT).write_text(json.dumps(about, indent=1))


@contextmanager
def raw_inputs(
    tensor_dir: Path, split: Split, *, modality: Modality, spec: InputSpec, beside: Path
) -> Iterator[Inputs]:
    """The inputs of a split while the block runs, in a hidden folder beside `beside`.

    What killed processes of this machine left of such folders goes first.
    """
    beside.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{beside.name}.input-{platform.node()}-"
    for left in beside.parent.glob(f"{prefix}*"):
        if not psutil.pid_exists(int(left.name.removeprefix(prefix).split("-")[0])):
            shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", dir=beside.parent) as folder:
        batches = open_split(tensor_dir, split, modalities=(modality,), required=(modality,))
        yield collect_inputs(batches, modality, path=Path(folder) / "row", chunk_tokens=spec.note_chunk_tokens)


def encoder_of(
    network: Unimodal,
    inputs: Inputs,
    *,
    device: torch.device,
    config: TrainConfig,
    view_seed: int | None = None,
) -> Encode:
    """Tokens of stays by index, without gradients.

    With a `view_seed` the radiograph of each stay is seen in a random view, the same whatever stays come with it.
    """
    is_reduced = config.precision is Precision.BFLOAT16
    generator = torch.Generator()

    def view_of(image: Tensor, stay_id: int) -> Tensor:
        return random_view(image.unsqueeze(0), generator.manual_seed(derive_seed(view_seed, stay_id)))

    @torch.no_grad()
    def encode(index: Tensor) -> Tokens:
        value, mask = inputs.take(index)
        if view_seed is not None:
            stays = inputs.stay_id[index].tolist()
            value = torch.cat([view_of(image, stay) for image, stay in zip(value, stays, strict=True)])
        with torch.autocast(device.type, torch.bfloat16, enabled=is_reduced):
            tokens = network.encoder(value.to(device), mask.to(device))
        return Tokens(tokens.value.float(), tokens.token_mask, tokens.pooled.float())

    return encode


def encoding_seed(config: PipelineConfig, modality: Modality) -> int:
    """Of the encoder's initial weights, where nothing trains them, of the order of stays and of random views."""
    return derive_seed(config.train.seed, Stage.UNIMODAL, modality)


def seed_of_view(seed: int, view: int) -> int | None:
    """Of random view number `view`; None for number 0, the image as it is."""
    return derive_seed(seed, "view", view) if view else None


def _write_split(inputs: Inputs, encode: Encode, *, stem: Path, config: TrainConfig, seed: int) -> Iterator[int]:
    """Write one split; yields the stays of each batch."""
    dtype = getattr(torch, config.cache_type)
    room = config.cache_gib * BYTES_PER_GIB
    stay, pooled = ColumnWriter(_file(stem, "stay_id"), dtype=torch.int64), ColumnWriter(_file(stem, "pooled"))
    token, brief = (RaggedWriter(_file(stem, name), dtype=dtype) for name in ("token", "brief"))
    written, is_open = 0, True
    for index in shuffled(inputs.length, batch_size=STAYS_AT_ONCE, seed=derive_seed(seed, "features")):
        if not len(index):
            continue
        tokens = encode(index)
        stay.append(inputs.stay_id[index])
        pooled.append(tokens.pooled)
        brief.append(*shorten(tokens.value, tokens.token_mask, at_most=config.rival_tokens))
        written += int(tokens.token_mask.sum()) * tokens.value.shape[-1] * dtype.itemsize
        is_open = is_open and written <= room
        if is_open:
            token.append(tokens.value, tokens.token_mask)
        yield len(index)
    for writer in (stay, pooled, token, brief):
        writer.close()


def _file(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}.{name}")
