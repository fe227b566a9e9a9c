"""What goes into the training loop and what comes out of it."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from torch import Tensor

from medpatch.config.train import Select

LogMetric = Callable[[str, float, int], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StepOutput:
    """What a step function makes of one batch.

    Attributes:
        loss: scalar, a mean over `count` things, so that parts of a batch can be added up.
        count: what the loss is a mean over: stays or tokens.
        logits: (B, K) for the AUROC, or None.
        label: (B, K), or None.
    """

    loss: Tensor
    count: int
    logits: Tensor | None = None
    label: Tensor | None = None


Step = Callable[[Tensor, bool], StepOutput]
"""From indices (B,) of stays, and whether this is training, to loss and logits."""


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast.

    Attributes:
        epochs: most of them.
        patience_epochs: epochs without improvement before stopping.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        gradient_clip_norm: longest gradient.
        select: what makes an epoch the best; falls back to the loss where no label has both classes.
    """

    epochs: int
    patience_epochs: int
    learning_rate: float
    weight_decay: float
    gradient_clip_norm: float
    select: Select = Select.AUROC


@dataclass(frozen=True)
class EpochRecord:
    """One epoch; what the training-curve picture shows. nan where there was nothing to measure on."""

    epoch: int
    train_loss: float
    val_loss: float
    val_auroc: float
    learning_rate: float

    def to_json(self) -> dict[str, float | None]:
        """Plain values, None for nan."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: dict[str, float | None]) -> "EpochRecord":
        """The record that `to_json` described."""
        return cls(**{k: math.nan if v is None else v for k, v in value.items()})


@dataclass(frozen=True)
class FitResult:
    """How training went; the network holds the weights of `best`."""

    best: EpochRecord
    history: tuple[EpochRecord, ...]
