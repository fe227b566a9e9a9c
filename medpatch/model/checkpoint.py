"""Weights, configuration and the identity of the data in one folder; strict on load.

`train` writes these folders through `contract.artifact.writing`; this module fills and reads them.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from medpatch.config.base import digest_of
from medpatch.config.error import CheckpointError
from medpatch.config.model import ModelConfig
from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_LAYOUT, STAY_SCHEMA
from medpatch.model.backbone import describe_backbone
from medpatch.model.build import build_medpatch, build_scorer, build_unimodal
from medpatch.model.confidence import TokenScorer
from medpatch.model.medpatch import MedPatch
from medpatch.model.spec import InputSpec
from medpatch.model.unimodal import Unimodal
from medpatch.model.weights import restore, write_weights

DESCRIPTION = "checkpoint.json"
HAS_EVIDENCE = "has_evidence"
"""Entry of the description: the late head of a MedPatch was fitted."""


@dataclass(frozen=True)
class Checkpoint:
    """What a folder says about its weights.

    Attributes:
        kind: "medpatch", "unimodal", "rival" or "confidence".
        model: shape of the network.
        spec: facts about the tensors it was trained on, label names included.
        data: fingerprint of the tensor folder.
        modalities: those the weights are for, in canonical order.
        backbone: per modality the description of its transformer body; absent for the EHR.
        more: what else this kind needs, plain values.
    """

    kind: str
    model: ModelConfig
    spec: InputSpec
    data: str
    modalities: tuple[Modality, ...]
    backbone: Mapping[Modality, Mapping[str, Any]]
    more: Mapping[str, Any] = field(default_factory=dict)


def save(folder: Path, network: nn.Module, *, kind: str, model: ModelConfig, spec: InputSpec, data: str) -> None:
    """Write weights and description into an existing folder.

    Args:
        folder: where; usually the temporary one of `contract.artifact.writing`.
        network: MedPatch or Unimodal.
        kind: its name in lower case.
        model: shape of the network.
        spec: facts about the tensors.
        data: fingerprint of the tensor folder.
    """
    encoder = _encoders(network)
    body = {m: describe_backbone(e.backbone) for m, e in encoder.items() if hasattr(e, "backbone")}
    more = {HAS_EVIDENCE: isinstance(network, MedPatch) and network.fusion.evidence is not None}
    write_weights(folder, network.state_dict())
    describe(folder, Checkpoint(kind, model, spec, data, modalities=tuple(encoder), backbone=body, more=more))


def save_scorer(
    folder: Path, scorer: TokenScorer, *, modality: Modality, model: ModelConfig, spec: InputSpec, data: str
) -> None:
    """Write a token scorer: predictor, temperature, threshold."""
    write_weights(folder, scorer.state_dict())
    describe(folder, Checkpoint("confidence", model, spec, data, modalities=(modality,), backbone={}))


def read(folder: Path, *, kind: str | None = None, data: str | None = None) -> Checkpoint:
    """The description in a checkpoint folder.

    Args:
        folder: a checkpoint.
        kind: refuse any other kind.
        data: refuse a checkpoint trained on other tensors than those with this fingerprint.

    Raises:
        CheckpointError: absent, unreadable, of another kind, another tensor contract or other data.
    """
    try:
        text = json.loads((folder / DESCRIPTION).read_text())
        found = Checkpoint(
            kind=text["kind"],
            model=ModelConfig.model_validate(text["model"]),
            spec=InputSpec.from_json(text["spec"]),
            data=text["data"],
            modalities=tuple(Modality(m) for m in text["modalities"]),
            backbone={Modality(m): body for m, body in text["backbone"].items()},
            more=dict(text["more"]),
        )
        contract = text["contract"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise CheckpointError(
            f"{folder}: no readable {DESCRIPTION} ({type(error).__name__}); train again or name another folder"
        ) from error
    if kind is not None and found.kind != kind:
        raise CheckpointError(f"{folder}: expected a checkpoint of kind {kind!r}, found {found.kind!r}")
    if contract != contract_digest():
        raise CheckpointError(
            f"{folder}: made for tensors of contract {contract}, this code reads {contract_digest()}; train again"
        )
    if data is not None and found.data != data:
        raise CheckpointError(
            f"{folder}: trained on tensors {found.data}, asked to work on {data}; train on these tensors or "
            "use the work folder that the checkpoint came from"
        )
    return found


def load_medpatch(folder: Path, *, device: torch.device | str = "cpu", data: str | None = None) -> MedPatch:
    """A trained MedPatch in eval mode; see `read` for `data` and the errors."""
    found = read(folder, kind="medpatch", data=data)
    model, spec = found.model, found.spec
    with building(folder):
        unimodal = _build_all(found)
        scorer = {m: build_scorer(model, spec, modality=m, width=u.encoder.width) for m, u in unimodal.items()}
        network = build_medpatch(model, spec, unimodal=unimodal, scorer=scorer)
        if found.more.get(HAS_EVIDENCE):
            network.fusion.expect_evidence(torch.tensor(spec.prevalence))
    return restore(network, folder).to(device).eval()


def load_unimodal(folder: Path, *, device: torch.device | str = "cpu", data: str | None = None) -> Unimodal:
    """A stage-1 model in eval mode; forward gives logits (B, K)."""
    found = read(folder, kind="unimodal", data=data)
    with building(folder):
        network = _build_all(found)[found.modalities[0]]
    return restore(network, folder).to(device).eval()


def load_scorer(
    folder: Path, *, width: int, device: torch.device | str = "cpu", data: str | None = None
) -> TokenScorer:
    """A token scorer in eval mode, for raw tokens of that width."""
    found = read(folder, kind="confidence", data=data)
    with building(folder):
        scorer = build_scorer(found.model, found.spec, modality=found.modalities[0], width=width)
    return restore(scorer, folder).to(device).eval()


def contract_digest() -> str:
    """Changes when the shape of the tensors that a network reads changes, or the order of their columns."""
    return digest_of(str(STAY_SCHEMA), EHR_LAYOUT)


@contextmanager
def building(folder: Path) -> Iterator[None]:
    """Inside, a network is made of its description.

    Raises:
        CheckpointError: it cannot be, as when another version of a library or of this code wrote it.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder}: {DESCRIPTION} describes a network that this code cannot build ({type(error).__name__}); train "
            "again, or load it with the versions that wrote it"
        ) from error


def _build_all(found: Checkpoint) -> dict[Modality, Unimodal]:
    return {
        m: build_unimodal(found.model, found.spec, modality=m, backbone=found.backbone.get(m)) for m in found.modalities
    }


def _encoders(network: nn.Module) -> dict[Modality, nn.Module]:
    if isinstance(network, Unimodal):
        return {network.modality: network.encoder}
    return {Modality(m): e for m, e in network.extractor.encoder.items()}


def describe(folder: Path, about: Checkpoint) -> None:
    """Write what `read` reads."""
    description = {
        "kind": about.kind,
        "model": about.model.model_dump(mode="json"),
        "spec": about.spec.to_json(),
        "data": about.data,
        "contract": contract_digest(),
        "modalities": about.modalities,
        "backbone": about.backbone,
        "more": about.more,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1))
