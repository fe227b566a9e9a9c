"""The step function of each stage: indices of stays to loss and logits."""

import torch
from torch import Tensor

from medpatch.config.name import Modality
from medpatch.feature.assemble import Pools, assemble
from medpatch.feature.augment import random_view
from medpatch.feature.ragged import Inputs, Ragged
from medpatch.feature.store import InputStore
from medpatch.model.confidence import TokenScorer
from medpatch.model.medpatch import MedPatch
from medpatch.model.unimodal import Unimodal
from medpatch.train.loss import HeadLoss, label_loss
from medpatch.train.record import Step, StepOutput
from medpatch.train.token_draw import TokenDraw


def unimodal_step(
    network: Unimodal, inputs: Inputs, *, device: torch.device, generator: torch.Generator | None = None
) -> Step:
    """Stage 1 with a trained encoder; a generator turns random views of radiographs on."""

    def step(index: Tensor, is_training: bool) -> StepOutput:
        value, mask = inputs.take(index)
        if is_training and generator is not None and network.modality is Modality.CXR:
            value = random_view(value, generator)
        pooled = network.encoder(value.to(device), mask.to(device)).pooled
        return judge(network.classify(pooled), inputs.label[index].to(device))

    return step


def pooled_step(network: Unimodal, pooled: Tensor, *, label: Tensor, device: torch.device) -> Step:
    """Stage 1 with a frozen encoder: its summaries (n, D_raw) are constants."""

    def step(index: Tensor, is_training: bool) -> StepOutput:
        return judge(network.classify(pooled[index].to(device)), label[index].to(device))

    return step


def confidence_step(
    scorer: TokenScorer, tokens: Ragged, *, label: Tensor, device: torch.device, draw: TokenDraw | None = None
) -> Step:
    """Stage 2: each real token tells the label (n, K) of its stay; the loss is a mean over tokens.

    With a `draw` the tokens of a stay are those that it has drawn for this epoch, else all of them.
    """

    def step(index: Tensor, is_training: bool) -> StepOutput:
        row, owner = tokens.flat(index) if draw is None else tokens.drawn(index, draw.place[index])
        wanted = label[index][owner].to(device)
        return StepOutput(label_loss(scorer.predictor(row.to(device).float()), wanted), count=len(row))

    return step


def fusion_step(
    network: MedPatch, head_loss: HeadLoss, *, pools: Pools, raw: InputStore | None, device: torch.device
) -> Step:
    """Stage 3: all heads; the late one is judged.

    Args:
        network: encoders in it are run for the modalities of `raw` alone.
        head_loss: one number from three losses.
        pools: of the modalities whose encoders stand still.
        raw: inputs of the others, or None.
        device: where the network is.
    """

    def step(index: Tensor, is_training: bool) -> StepOutput:
        output = network.fuse(assemble(network, pools, raw=raw, index=index, device=device))
        label = pools.index.label[index].to(device)
        return StepOutput(head_loss(output, label), len(index), logits=output.late.detach(), label=label)

    return step


def judge(logits: Tensor, label: Tensor) -> StepOutput:
    """Label loss of logits and label (B, K)."""
    logits = logits.float()
    return StepOutput(label_loss(logits, label), count=len(label), logits=logits.detach(), label=label)
