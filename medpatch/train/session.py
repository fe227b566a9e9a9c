"""Where a stage trains: devices, processes, precision, and the file that lets it go on after a kill."""

from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object

from medpatch.config.base import digest_of
from medpatch.config.code import STAGE_CODE
from medpatch.config.path import code_digest
from medpatch.config.train import Precision, TrainConfig
from medpatch.feature.opening import choose_device

MIXED = {Precision.FLOAT32: "no", Precision.BFLOAT16: "bf16"}


@dataclass(frozen=True)
class Session:
    """One process among those that train a network together; usually the only one.

    Attributes:
        accelerator: devices, processes and precision.
        state_file: what is needed to go on after a kill; None keeps nothing.
        identity: of the training; a state of another one is not used.
        every_seconds: how often a long epoch is saved in between.
        generators: sources of randomness beside torch's own that training draws from.
    """

    accelerator: Accelerator
    state_file: Path | None = None
    identity: str = ""
    every_seconds: float = 300.0
    generators: tuple[torch.Generator, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where networks and batches go."""
        return self.accelerator.device

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files, metrics and progress."""
        return self.accelerator.is_main_process

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.accelerator.num_processes

    @property
    def rank(self) -> int:
        """Which of them this is."""
        return self.accelerator.process_index

    def share(self, index: torch.Tensor) -> torch.Tensor:
        """The part of a batch that this process computes."""
        return index if self.processes == 1 else index[self.rank :: self.processes]

    def gather(self, items: list) -> list:
        """The items of all processes, in the order of the processes."""
        return items if self.processes == 1 else gather_object(items)


def open_session(
    config: TrainConfig, out_dir: Path | None = None, *, inputs: str = "", generators: tuple[torch.Generator, ...] = ()
) -> Session:
    """The session of a stage that writes `out_dir`.

    Its state lies beside `out_dir`, hidden, and belongs to these inputs, this code and this number of processes.

    Args:
        config: device, precision, how often to save.
        out_dir: folder that the stage makes; None keeps no state.
        inputs: digest of what the stage depends on.
        generators: sources of randomness beside torch's own.
    """
    accelerator = open_accelerator(config)
    if accelerator.process_index:
        for generator in generators:
            generator.manual_seed(generator.initial_seed() + accelerator.process_index)
    return Session(
        accelerator,
        state_file=None if out_dir is None else state_file(out_dir),
        identity=digest_of(inputs, code_digest(STAGE_CODE), accelerator.num_processes),
        every_seconds=config.state_seconds,
        generators=generators,
    )


def open_accelerator(config: TrainConfig) -> Accelerator:
    """Device and precision of the configuration; the processes are those that this one was launched with."""
    if not torch.distributed.is_initialized():
        # accelerate remembers the first device and precision of a process; stages may differ in both
        AcceleratorState._reset_state(reset_partial_state=True)
    is_cpu = choose_device(config.device).type == "cpu"
    return Accelerator(cpu=is_cpu, mixed_precision=MIXED[config.precision])


def state_file(out_dir: Path) -> Path:
    """Where the state of an unfinished stage lies."""
    return out_dir.with_name(f".{out_dir.name}.state.safetensors")
