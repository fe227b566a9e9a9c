"""The step function of each stage: indices of stays to loss and logits."""

import torch
from torch import Tensor

from medpatch.config.name import Modality
from medpatch.contract.batch import Tokens
from medpatch.model.baseline.early import Early
from medpatch.model.confidence import TokenScorer
from medpatch.model.medpatch import MedPatch
from medpatch.model.unimodal import Unimodal
from medpatch.train.augment import random_view
from medpatch.train.cache import Encode, FeatureStore, Ragged, as_input
from medpatch.train.fit import Step, StepOutput
from medpatch.train.loss import fusion_loss, label_loss


def encode_step(network: Unimodal, inputs: Ragged, *, device: torch.device) -> Encode:
    """Tokens of stays by index."""

    def encode(index: Tensor) -> Tokens:
        value, mask = as_input(network.modality, *inputs.take(index))
        return network.encoder(value.to(device), mask.to(device))

    return encode


def unimodal_step(
    network: Unimodal, inputs: Ragged, *, device: torch.device, generator: torch.Generator | None = None
) -> Step:
    """Stage 1 with a trained encoder; a generator turns random views of radiographs on."""

    def step(index: Tensor, is_training: bool) -> StepOutput:
        value, mask = as_input(network.modality, *inputs.take(index))
        if is_training and generator is not None and network.modality is Modality.CXR:
            value = random_view(value, generator)
        pooled = network.encoder(value.to(device), mask.to(device)).pooled
        return _judge(network.classify(pooled), inputs.label[index].to(device))

    return step


def pooled_step(network: Unimodal, pooled: Tensor, label: Tensor, *, device: torch.device) -> Step:
    """Stage 1 with a frozen encoder: its summaries (n, D_raw) are constants."""

    def step(index: Tensor, is_training: bool) -> StepOutput:
        return _judge(network.classify(pooled[index].to(device)), label[index].to(device))

    return step


def confidence_step(scorer: TokenScorer, tokens: Ragged, *, device: torch.device) -> Step:
    """Stage 2: each real token tells the label of its stay; the loss is a mean over tokens."""

    def step(index: Tensor, is_training: bool) -> StepOutput:
        row, owner = tokens.flat(index)
        label = tokens.label[index][owner].to(device)
        return StepOutput(label_loss(scorer.predictor(row.to(device)), label), count=len(row))

    return step


def fusion_step(network: MedPatch, store: FeatureStore, *, device: torch.device) -> Step:
    """Stage 3: all heads from cached features; the late head is judged."""
    uses_joint = network.fusion.high_joint is not None

    def step(index: Tensor, is_training: bool) -> StepOutput:
        output = network.fuse(store.take(index, device))
        label = store.label[index].to(device)
        loss = fusion_loss(output, label, uses_joint=uses_joint)
        return StepOutput(loss, count=len(index), logits=output.late, label=label)

    return step


def early_step(network: Early, vectors: Tensor, presence: Tensor, label: Tensor, *, device: torch.device) -> Step:
    """The early-fusion rival from cached vectors (n, M, D)."""

    def step(index: Tensor, is_training: bool) -> StepOutput:
        logits = network.classify(vectors[index].to(device), presence[index].to(device))
        return _judge(logits, label[index].to(device))

    return step


def _judge(logits: Tensor, label: Tensor) -> StepOutput:
    return StepOutput(label_loss(logits, label), count=len(label), logits=logits.detach(), label=label)
