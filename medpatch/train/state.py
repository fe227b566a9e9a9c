"""The state of an unfinished training in one file: enough to go on as if nothing had happened."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from medpatch.train.record import EpochRecord
from medpatch.train.session import Session

logger = logging.getLogger(__name__)

Weights = dict[str, Tensor]


@dataclass
class FitState:
    """How far training has come; changed by the loop.

    Attributes:
        epoch: the one that runs, or comes next.
        batches: of it that are done.
        loss: sum of what the done batches lost.
        count: what that is a sum over.
        history: finished epochs.
        best: the best of them.
        kept: its weights.
        skipped: labels without an AUROC in the last validation.
    """

    epoch: int = 0
    batches: int = 0
    loss: float = 0.0
    count: int = 0
    history: list[EpochRecord] = field(default_factory=list)
    best: EpochRecord | None = None
    kept: Weights = field(default_factory=dict)
    skipped: int = 0


def snapshot(network: nn.Module) -> Weights:
    """Copies of what training changes: weights with gradients, and buffers."""
    return {name: value.detach().clone() for name, value in _moving(network).items()}


@torch.no_grad()
def put_back(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Set the network to a snapshot of it."""
    for name, value in _moving(network).items():
        value.copy_(weights[name])


class StateFile:
    """Saves and restores a training."""

    def __init__(
        self, session: Session, network: nn.Module, *, optimizer: torch.optim.Optimizer, schedule: Any
    ) -> None:
        """Take everything that has a state."""
        self.session, self.network, self.optimizer, self.schedule = session, network, optimizer, schedule

    def save(self, state: FitState) -> None:
        """Write the state beside itself, then rename; a kill leaves the old one or the new one."""
        file = self.session.state_file
        if file is None:
            return
        tensors = {f"random/{name}": value for name, value in self._random().items()}  # of all processes
        if not self.session.is_main:
            return
        tensors |= {f"now/{n}": v for n, v in snapshot(self.network).items()}
        tensors |= {f"best/{n}": v for n, v in state.kept.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{n}": torch.as_tensor(v) for n, v in moments.items()}
        plain = {
            "identity": self.session.identity,
            "epoch": state.epoch,
            "batches": state.batches,
            "loss": state.loss,
            "count": state.count,
            "history": [record.to_json() for record in state.history],
            "best": state.best.to_json() if state.best else None,
            "skipped": state.skipped,
            "rates": [group["lr"] for group in self.optimizer.param_groups],
            "schedule": self.schedule.state_dict(),
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".tmp")
        save_file({n: v.detach().cpu().contiguous() for n, v in tensors.items()}, aside, {"state": json.dumps(plain)})
        aside.replace(file)

    def load(self) -> FitState:
        """The state that was saved for this very training, put in place; a fresh one if there is none."""
        file = self.session.state_file
        if file is None or not file.exists():
            return FitState()
        try:
            with safe_open(file, framework="pt") as opened:
                plain = json.loads(opened.metadata()["state"])
                if plain["identity"] != self.session.identity:
                    return FitState()
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118, not a mapping
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            logger.warning("%s cannot be read; the stage starts anew", file.name)
            return FitState()
        put_back(self.network, _below(tensors, "now/"))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(tensors, "optimizer/").items():
            number, key = name.split("/")
            moments.setdefault(int(number), {})[key] = value
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        for group, rate in zip(self.optimizer.param_groups, plain["rates"], strict=True):
            group["lr"] = rate
        self.schedule.load_state_dict(plain["schedule"])
        self._set_random(_below(tensors, "random/"))
        device = self.session.device
        return FitState(
            epoch=plain["epoch"],
            batches=plain["batches"],
            loss=plain["loss"],
            count=plain["count"],
            history=[EpochRecord.from_json(row) for row in plain["history"]],
            best=EpochRecord.from_json(plain["best"]) if plain["best"] else None,
            kept={n: v.to(device) for n, v in _below(tensors, "best/").items()},
            skipped=plain["skipped"],
        )

    def remove(self) -> None:
        """Training has ended."""
        if self.session.state_file is not None and self.session.is_main:
            self.session.state_file.unlink(missing_ok=True)

    def _random(self) -> Weights:
        """States of the random generators, one row per process."""
        found = {"cpu": torch.get_rng_state()}
        if self.session.device.type == "cuda":
            found["cuda"] = torch.cuda.get_rng_state(self.session.device)
        found |= {f"own-{i}": g.get_state() for i, g in enumerate(self.session.generators)}
        return {name: torch.stack(self.session.gather([value])) for name, value in found.items()}

    def _set_random(self, found: Mapping[str, Tensor]) -> None:
        # a copy: torch refuses a row that does not begin where its storage does, as any but the first
        mine = {name: value[self.session.rank].clone() for name, value in found.items()}
        torch.set_rng_state(mine["cpu"])
        if "cuda" in mine:
            torch.cuda.set_rng_state(mine["cuda"], self.session.device)
        for i, generator in enumerate(self.session.generators):
            generator.set_state(mine[f"own-{i}"])


def _moving(network: nn.Module) -> dict[str, Tensor]:
    weights = {name: value for name, value in network.named_parameters() if value.requires_grad}
    return weights | dict(network.named_buffers())


def _below(tensors: Mapping[str, Tensor], prefix: str) -> Weights:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
