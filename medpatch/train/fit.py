"""The one training loop: epochs, early stopping, best weights kept."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from medpatch.config.error import ConfigError
from medpatch.train.auroc import macro_auroc
from medpatch.train.freeze import set_training

logger = logging.getLogger(__name__)

LogMetric = Callable[[str, float, int], None]
Progress = Callable[[int, int], None]


class Select(StrEnum):
    """What makes an epoch the best."""

    AUROC = "auroc"
    LOSS = "loss"


@dataclass(frozen=True)
class StepOutput:
    """What a step function makes of one batch.

    Attributes:
        loss: scalar.
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


@dataclass(frozen=True)
class FitResult:
    """How training went; the network holds the weights of `best`."""

    best: EpochRecord
    history: tuple[EpochRecord, ...]


def fit(
    network: nn.Module,
    step: Step,
    *,
    train_batches: Callable[[int], Iterable[Tensor]],
    val_batches: Callable[[], Iterable[Tensor]],
    val_step: Step,
    settings: FitSettings,
    name: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> FitResult:
    """Train what is not frozen and leave the best epoch's weights in place.

    Args:
        network: its parameters with `requires_grad` are trained.
        step: loss of a batch of train stays.
        train_batches: from the epoch to index tensors.
        val_batches: index tensors into the selection stays; may be empty, then the train loss decides.
        val_step: loss and logits of a batch of selection stays.
        settings: how long and how fast.
        name: of the stage, for messages.
        log_metric: called with (name, value, epoch).
        progress: called with (epochs done, epochs at most).

    Raises:
        ConfigError: the loss became nan or infinite.
    """
    weights = [w for w in network.parameters() if w.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=max(1, settings.patience_epochs // 2)
    )
    history: list[EpochRecord] = []
    best, kept, skipped = None, None, 0
    for epoch in range(settings.epochs):
        set_training(network, is_training=True)
        losses = _train_epoch(optimizer, step, train_batches(epoch), settings.gradient_clip_norm)
        train_loss = _finite_mean(losses, f"{name}, epoch {epoch}", settings.learning_rate)
        set_training(network, is_training=False)
        val_loss, val_auroc, skipped = _validate(val_step, val_batches())
        record = EpochRecord(epoch, train_loss, val_loss, val_auroc, optimizer.param_groups[0]["lr"])
        history.append(record)
        _log(record, log_metric)
        schedule.step(train_loss if math.isnan(val_loss) else val_loss)
        if best is None or _merit(record, settings.select) > _merit(best, settings.select):
            best, kept = record, [w.detach().clone() for w in weights]
        if progress:
            progress(epoch + 1, settings.epochs)
        if epoch - best.epoch >= settings.patience_epochs:
            break
    with torch.no_grad():
        for weight, value in zip(weights, kept, strict=True):
            weight.copy_(value)
    set_training(network, is_training=False)
    if skipped and settings.select is Select.AUROC:
        logger.warning("%s: %d labels have one class among the selection stays and no AUROC", name, skipped)
    return FitResult(best, tuple(history))


def _train_epoch(
    optimizer: torch.optim.Optimizer, step: Step, batches: Iterable[Tensor], clip_norm: float
) -> Iterator[tuple[float, int]]:
    """One pass; loss and count of each batch, before it moves the weights."""
    weights = optimizer.param_groups[0]["params"]
    for index in batches:
        out = step(index, True)
        yield float(out.loss.detach()), out.count
        optimizer.zero_grad(set_to_none=True)
        out.loss.backward()
        nn.utils.clip_grad_norm_(weights, clip_norm)
        optimizer.step()


def _finite_mean(losses: Iterable[tuple[float, int]], where: str, learning_rate: float) -> float:
    total, count = 0.0, 0
    for loss, share in losses:
        if not math.isfinite(loss):
            raise ConfigError(
                f"{where}: the loss became {loss}; lower train.learning_rate ({learning_rate}), or look for values "
                "that are not finite in the tensors"
            )
        total, count = total + loss * share, count + share
    return total / max(count, 1)


@torch.no_grad()
def _validate(step: Step, batches: Iterable[Tensor]) -> tuple[float, float, int]:
    """Mean loss, macro AUROC and number of labels without one; nan where there is nothing."""
    total, count, logits, label = 0.0, 0, [], []
    for index in batches:
        out = step(index, False)
        total, count = total + float(out.loss.detach()) * out.count, count + out.count
        if out.logits is not None:
            logits.append(out.logits.cpu())
            label.append(out.label.cpu())
    if not count:
        return math.nan, math.nan, 0
    auroc, skipped = macro_auroc(torch.cat(logits), torch.cat(label)) if logits else (math.nan, 0)
    return total / count, auroc, skipped


def _merit(record: EpochRecord, select: Select) -> tuple[float, float]:
    """Larger is better; the loss breaks ties, and decides where there is no AUROC."""
    loss = record.train_loss if math.isnan(record.val_loss) else record.val_loss
    if select is Select.LOSS or math.isnan(record.val_auroc):
        return 0.0, -loss
    return record.val_auroc, -loss


def _log(record: EpochRecord, log_metric: LogMetric) -> None:
    for name, value in (
        ("train/loss", record.train_loss),
        ("val/loss", record.val_loss),
        ("val/auroc", record.val_auroc),
    ):
        if not math.isnan(value):
            log_metric(name, value, record.epoch)
