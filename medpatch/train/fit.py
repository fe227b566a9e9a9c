"""The one training loop: epochs, early stopping, best weights kept, going on after a kill."""

import logging
import math
import time
from collections.abc import Callable, Iterable

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn

from medpatch.config.error import ConfigError, DivergedError
from medpatch.config.train import Select, TrainConfig
from medpatch.train.auroc import macro_auroc
from medpatch.train.freeze import set_training
from medpatch.train.record import EpochRecord, FitResult, FitSettings, LogMetric, Progress, Step
from medpatch.train.session import Session, open_session
from medpatch.train.state import FitState, StateFile, put_back, snapshot
from medpatch.train.update import Updater

logger = logging.getLogger(__name__)


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
    session: Session | None = None,
) -> FitResult:
    """Train what is not frozen and leave the best epoch's weights in place.

    With several processes each computes a part of every batch; the gradients are added up, so the result is
    that of one process up to the rounding of a sum in another order (and up to dropout, which each process
    draws for itself).

    Source: published training scripts, learning rate halved (ReduceLROnPlateau) when the mean validation loss has not
    fallen for more than 10 validations, stop after 15. Deviates: halved after more than half of `patience_epochs` (7 of
    15), so that a shorter patience still lowers it before the stop.

    Args:
        network: its parameters with `requires_grad` are trained.
        step: loss of a batch of train stays.
        train_batches: from the epoch to index tensors; the same ones whenever it is asked.
        val_batches: index tensors into the selection stays; may be empty, then the train loss decides.
        val_step: loss and logits of a batch of selection stays.
        settings: how long and how fast.
        name: of the stage, for messages.
        log_metric: called with (name, value, epoch).
        progress: called with (epochs done, epochs at most).
        session: device, processes, precision, and the file to go on from; None is the CPU and no file.

    Raises:
        DivergedError: the loss of a batch or of the selection stays, or a gradient, became nan or infinite.
    """
    session = session or open_session(TrainConfig(device="cpu"))
    weights = [w for w in network.parameters() if w.requires_grad]
    if session.processes > 1:
        with torch.no_grad():
            for weight in weights:
                weight.copy_(broadcast(weight.data))
    if session.rank:  # the first process draws as one alone would
        torch.manual_seed(torch.initial_seed() + session.rank)
    optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=max(1, settings.patience_epochs // 2)
    )
    file = StateFile(session, network, optimizer=optimizer, schedule=schedule)
    state = file.load()
    if state.epoch or state.batches:
        logger.info("%s goes on at epoch %d, batch %d", name, state.epoch, state.batches)
    for record in state.history:
        _log(record, log_metric, session=session)
    updater = Updater(session, optimizer, clip_norm=settings.gradient_clip_norm)
    while state.epoch < settings.epochs and not _is_over(state, settings):
        set_training(network, is_training=True)
        try:
            _train_epoch(state, updater, step=step, batches=train_batches(state.epoch), file=file, where=name)
            set_training(network, is_training=False)
            val_loss, val_auroc, state.skipped = _validate(val_step, val_batches(), session=session, where=name)
        except ConfigError:
            file.remove()  # it would only come to the same end
            raise
        train_loss = state.loss / max(state.count, 1)
        record = EpochRecord(state.epoch, train_loss, val_loss, val_auroc, optimizer.param_groups[0]["lr"])
        state.history.append(record)
        _log(record, log_metric, session=session)
        schedule.step(train_loss if math.isnan(val_loss) else val_loss)
        if state.best is None or _merit(record, settings.select) > _merit(state.best, settings.select):
            state.best, state.kept = record, snapshot(network)
        state.epoch, state.batches, state.loss, state.count = state.epoch + 1, 0, 0.0, 0
        file.save(state)
        if progress and session.is_main:
            progress(state.epoch, settings.epochs)
    put_back(network, state.kept)
    set_training(network, is_training=False)
    if state.skipped and settings.select is Select.AUROC:
        logger.warning(
            "%s: %d %s one class among the selection stays and no AUROC",
            name,
            state.skipped,
            "label has" if state.skipped == 1 else "labels have",
        )
    return FitResult(state.best, tuple(state.history))


def _train_epoch(
    state: FitState, updater: Updater, *, step: Step, batches: Iterable[Tensor], file: StateFile, where: str
) -> None:
    """The rest of one pass over the train stays; adds up what the batches lost before they moved the weights."""
    session, saved = updater.session, time.monotonic()
    for position, index in enumerate(batches):
        if position < state.batches:
            continue
        is_late = time.monotonic() - saved >= session.every_seconds
        done = updater.update(step, index, is_late=is_late)
        if not math.isfinite(done.loss):
            rate = updater.optimizer.param_groups[0]["lr"]
            raise DivergedError(
                f"{where}, epoch {state.epoch}: the loss or its gradient became {done.loss}; lower its learning rate "
                f"({rate}), or look for values that are not finite in the tensors"
            )
        state.batches, state.loss, state.count = position + 1, state.loss + done.loss, state.count + done.count
        if done.is_late:  # the main process's clock decides for all
            file.save(state)
            saved = time.monotonic()


@torch.no_grad()
def _validate(step: Step, batches: Iterable[Tensor], *, session: Session, where: str) -> tuple[float, float, int]:
    """Mean loss, macro AUROC and number of labels without one; nan where there is nothing.

    Raises:
        DivergedError: there is something, but its loss is no number.
    """
    rows = []
    for number, index in enumerate(batches):
        if number % session.processes != session.rank:
            continue
        with session.accelerator.autocast():
            out = step(index, False)
        has_logits = out.logits is not None
        judged = (out.logits.float().cpu(), out.label.cpu()) if has_logits else None
        rows.append((number, float(out.loss.detach()) * out.count, out.count, judged))
    rows = sorted(session.gather(rows), key=lambda row: row[0])
    total, count = 0.0, 0
    for _, loss, stays, _ in rows:
        total, count = total + loss, count + stays
    if not count:
        return math.nan, math.nan, 0
    if not math.isfinite(total):
        raise DivergedError(
            f"{where}: the loss on val became {total}, though that on train was finite; lower its learning rate"
        )
    judged = [row[3] for row in rows if row[3] is not None]
    if not judged:
        return total / count, math.nan, 0
    auroc, skipped = macro_auroc(torch.cat([j[0] for j in judged]), torch.cat([j[1] for j in judged]))
    return total / count, auroc, skipped


def _is_over(state: FitState, settings: FitSettings) -> bool:
    return state.best is not None and state.history[-1].epoch - state.best.epoch >= settings.patience_epochs


def _merit(record: EpochRecord, select: Select) -> tuple[float, float]:
    """Larger is better; the loss breaks ties, and decides where there is no AUROC."""
    loss = record.train_loss if math.isnan(record.val_loss) else record.val_loss
    if select is Select.LOSS or math.isnan(record.val_auroc):
        return 0.0, -loss
    return record.val_auroc, -loss


def _log(record: EpochRecord, log_metric: LogMetric, *, session: Session) -> None:
    if not session.is_main:
        return
    for name, value in (
        ("train/loss", record.train_loss),
        ("val/loss", record.val_loss),
        ("val/auroc", record.val_auroc),
        ("train/learning_rate", record.learning_rate),
    ):
        if not math.isnan(value):
            log_metric(name, value, record.epoch)
