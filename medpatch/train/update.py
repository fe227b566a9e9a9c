"""One step of the optimizer, by one process or by several that share the batch."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medpatch.train.record import Step
from medpatch.train.session import Session


@dataclass(frozen=True)
class Done:
    """What a step found before it moved the weights.

    Attributes:
        loss: summed over what it is a mean over; nan or infinite, as the loss or its gradient was, if the weights
            were left alone.
        count: what it is a sum over.
        is_late: what the main process said.
    """

    loss: float
    count: int
    is_late: bool


class Updater:
    """Gradients of a batch, clipped and applied."""

    def __init__(self, session: Session, optimizer: torch.optim.Optimizer, *, clip_norm: float) -> None:
        """Take the session, the optimizer of all trained weights, and the longest gradient."""
        self.session, self.optimizer, self.clip_norm = session, optimizer, clip_norm
        self.weights: list[Tensor] = [w for group in optimizer.param_groups for w in group["params"]]

    def update(self, step: Step, index: Tensor, *, is_late: bool = False) -> Done:
        """Move the weights by one batch, unless its loss or gradient is not finite.

        Args:
            step: loss of stays by index.
            index: (B,) the whole batch; each process takes its share.
            is_late: of the main process, told to all.
        """
        accelerator = self.session.accelerator
        self.optimizer.zero_grad(set_to_none=True)
        mine = self.session.share(index)
        if self.session.processes == 1:
            with accelerator.autocast():
                out = step(mine, True)
            done = Done(float(out.loss.detach()) * out.count, out.count, is_late)
            if math.isfinite(done.loss):
                accelerator.backward(out.loss)
        else:
            loss, count = 0.0, 0
            if len(mine):
                with accelerator.autocast():
                    out = step(mine, True)
                loss, count = float(out.loss.detach()) * out.count, out.count
                accelerator.backward(out.loss * out.count)
            done = self._add_up(loss, count, is_late)
        if math.isfinite(done.loss):
            length = float(accelerator.clip_grad_norm_(self.weights, self.clip_norm))
            if not math.isfinite(length):  # clipping has made every gradient nan
                return replace(done, loss=length)
            self.optimizer.step()
        return done

    @torch.no_grad()
    def _add_up(self, loss: float, count: int, is_late: bool) -> Done:
        """Replace each gradient of a sum by that of the mean over all processes' parts, in one exchange."""
        told = torch.tensor([loss, count, is_late and self.session.is_main], device=self.session.device)
        used = torch.tensor([w.grad is not None for w in self.weights], device=self.session.device)
        parts = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.weights]
        flat = torch.cat([told, used.float(), *(p.float().flatten() for p in parts)])
        flat = self.session.accelerator.reduce(flat, reduction="sum")
        loss, count, is_late = flat[:3].tolist()
        used, gradient = flat[3 : 3 + len(parts)].tolist(), flat[3 + len(parts) :] / max(count, 1)
        for weight, was_used, piece in zip(
            self.weights, used, gradient.split([w.numel() for w in self.weights]), strict=True
        ):
            # a weight that no process used keeps no gradient, so that weight decay leaves it alone as well
            weight.grad = piece.view_as(weight).to(weight.dtype) if was_used else None
        return Done(loss, round(count), is_late > 0)
