"""A trained rival in one folder; strict on load, like every checkpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from medpatch.config.error import CheckpointError
from medpatch.config.model import ModelConfig
from medpatch.config.name import Modality, Rival
from medpatch.model.backbone import describe_backbone
from medpatch.model.baseline.boosted_trees import Trees, load_trees, save_trees
from medpatch.model.build import build_unimodal
from medpatch.model.build_rival import build_rival
from medpatch.model.checkpoint import Checkpoint, building, describe, read
from medpatch.model.end_to_end import EndToEnd
from medpatch.model.spec import InputSpec
from medpatch.model.weights import restore, write_weights

KIND, TREE_KIND = "rival", "trees"


def save_rival(
    folder: Path,
    network: EndToEnd,
    *,
    rival: Rival,
    raw_width: Mapping[Modality, int],
    model: ModelConfig,
    spec: InputSpec,
    data: str,
) -> None:
    """Write weights and description into an existing folder.

    Args:
        folder: where; usually the temporary one of `contract.artifact.writing`.
        network: the rival and the encoders that it was trained with, if any moved.
        rival: its name.
        raw_width: width of each modality's encoder.
        model: shape of the network.
        spec: facts about the tensors.
        data: fingerprint of the tensor folder.
    """
    moving = {Modality(m): u.encoder for m, u in network.unimodal.items()}
    body = {m: describe_backbone(e.backbone) for m, e in moving.items() if hasattr(e, "backbone")}
    more = {"rival": rival, "raw_width": dict(raw_width), "moving": tuple(moving)}
    write_weights(folder, network.state_dict())
    found = Checkpoint(KIND, model, spec, data, modalities=tuple(raw_width), backbone=body, more=more)
    describe(folder, found)


def load_rival(folder: Path, *, device: torch.device | str = "cpu", data: str | None = None) -> tuple[Rival, EndToEnd]:
    """Name and network of a rival, in eval mode.

    Raises:
        CheckpointError: absent, broken, of another contract, or not of these tensors.
    """
    found = read(folder, kind=KIND, data=data)
    try:
        rival = Rival(found.more["rival"])
        raw_width = {Modality(m): int(width) for m, width in found.more["raw_width"].items()}
        moving = [Modality(m) for m in found.more["moving"]]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder}: its description names no rival ({type(error).__name__}); train again"
        ) from error
    model, spec, body = found.model, found.spec, found.backbone
    with building(folder):
        unimodal = {m: build_unimodal(model, spec, modality=m, backbone=body.get(m)) for m in moving}
        network: nn.Module = EndToEnd(unimodal, build_rival(rival, model, spec=spec, raw_width=raw_width))
    return rival, restore(network, folder).to(device).eval()


def save_tree_rival(
    folder: Path,
    trees: Trees,
    *,
    modalities: Sequence[Modality],
    model: ModelConfig,
    spec: InputSpec,
    data: str,
) -> None:
    """Write boosted trees over these modalities; other arguments as in `save_rival`."""
    save_trees(folder, trees)
    describe(folder, Checkpoint(TREE_KIND, model, spec, data, modalities=tuple(modalities), backbone={}))


def load_tree_rival(folder: Path, *, data: str | None = None) -> tuple[Trees, tuple[Modality, ...]]:
    """Boosted trees and the modalities whose summaries they read; errors as in `load_rival`."""
    return load_trees(folder), read(folder, kind=TREE_KIND, data=data).modalities
