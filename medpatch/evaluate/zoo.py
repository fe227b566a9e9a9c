"""Every trained model of a run, found by what its checkpoint says it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medpatch.config.error import CheckpointError
from medpatch.config.train import Head
from medpatch.contract.batch import Batch, FusionOutput
from medpatch.evaluate.forward import Floats, Forward
from medpatch.evaluate.masking import drops
from medpatch.evaluate.name import EARLY, MEDPATCH, unimodal
from medpatch.model.checkpoint import DESCRIPTION, load_early, load_medpatch, load_unimodal, read
from medpatch.model.medpatch import MedPatch

HEADS = (Head.LATE, Head.HIGH, Head.LOW)


@dataclass(frozen=True)
class Zoo:
    """Loaded models.

    Attributes:
        forwards: batch to logits by model name; of two that give the same name the later one counts.
        prevalence: (K,) share of positive train stays.
        label_names: K names.
    """

    forwards: tuple[Forward, ...]
    prevalence: Floats
    label_names: tuple[str, ...]


def load_zoo(checkpoint_dir: Path, *, device: torch.device | str = "cpu", data: str | None = None) -> Zoo:
    """MedPatch, its stage-1 models and the rivals that are there.

    Args:
        checkpoint_dir: one folder per checkpoint, at any depth.
        device: where to put them.
        data: fingerprint of the tensors; a checkpoint trained on others is refused.

    Raises:
        CheckpointError: no MedPatch, two checkpoints for one model, or one that is broken or of other data.
    """
    loaders = {
        "medpatch": lambda folder: (MEDPATCH, heads(load_medpatch(folder, device=device, data=data))),
        "unimodal": lambda folder: _unimodal(folder, device=device, data=data),
        "early": lambda folder: (EARLY, one_output(load_early(folder, device=device, data=data), EARLY)),
    }
    found: dict[str, Forward] = {}
    spec = None
    for folder in sorted(file.parent for file in checkpoint_dir.rglob(DESCRIPTION)):
        if any(part.startswith(".") for part in folder.relative_to(checkpoint_dir).parts):
            continue  # still being written, or left by a run that died
        description = read(folder, data=data)
        if description.kind not in loaders:
            continue
        name, forward = loaders[description.kind](folder)
        if name in found:
            raise CheckpointError(
                f"{checkpoint_dir}: two checkpoints for {name!r}, the second in {folder.name}; remove one"
            )
        found[name] = forward
        spec = description.spec if spec is None or name == MEDPATCH else spec
    if MEDPATCH not in found:
        raise CheckpointError(
            f"{checkpoint_dir}: found {sorted(found) or 'no checkpoint'}, no MedPatch; run the train step to its end"
        )
    # the stage-1 models are the single-modality rivals; MedPatch's own unimodal heads stand in where one is absent
    order = [MEDPATCH, *(name for name in found if name != MEDPATCH)]
    return Zoo(tuple(found[name] for name in order), np.array(spec.prevalence, float), spec.label_names)


def heads(model: MedPatch) -> Forward:
    """The three heads and the unimodal heads of a MedPatch network, and it without each modality, by model name."""

    def forward(batch: Batch) -> Mapping[str, Tensor]:
        features = model.extract(batch)
        output: FusionOutput = model.fuse(features)
        named = {f"{MEDPATCH}_{head}": getattr(output, head) for head in HEADS}
        named |= {unimodal(m): logit for m, logit in output.unimodal.items()}
        return named | drops(model, features)

    return forward


def one_output(model: nn.Module, name: str) -> Forward:
    """A network with one output, by its name."""
    return lambda batch: {name: model(batch)}


def _unimodal(folder: Path, *, device: torch.device | str, data: str | None) -> tuple[str, Forward]:
    model = load_unimodal(folder, device=device, data=data)
    name = unimodal(model.modality)
    return name, one_output(model, name)
