"""Which runs a leaderboard consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.context import RunContext
from flows.start import settle
from medpatch.config.arm import Arm, arm_overrides
from medpatch.config.base import digest_of
from medpatch.config.error import ConfigError, ContractError
from medpatch.config.name import Rival
from medpatch.config.runner import RunnerConfig

ALL, NONE = "all", "none"
ALWAYS = ("medpatch", "late", "unimodal")
"""Models that every run has, so that naming them changes nothing."""


@dataclass(frozen=True)
class Board:
    """The runs of one leaderboard.

    Attributes:
        runs: one per training seed, on the same data.
        seeds: theirs.
        arms: the same seeds with less to read, by arm.
    """

    runs: tuple[RunContext, ...]
    seeds: tuple[int, ...]
    arms: Mapping[Arm, tuple[RunContext, ...]]

    @property
    def first(self) -> RunContext:
        """The run whose configuration stands for all."""
        return self.runs[0]

    @property
    def directory(self) -> Path:
        """Folder of the leaderboard."""
        names = [run.run_dir.name for run in self.every_run]
        return self.first.paths.work_dir / f"leaderboard-{digest_of(names)}"

    @property
    def every_run(self) -> tuple[RunContext, ...]:
        """Runs and arms, in the order in which they are made."""
        return (*self.runs, *(run for runs in self.arms.values() for run in runs))

    @property
    def report_dir(self) -> Path:
        """Its report."""
        return self.directory / "report"

    def on(self, runner: RunnerConfig | None) -> "Board":
        """The same runs, their parts spread by that runner; None leaves them in this process."""
        if runner is None:
            return self
        arms = {arm: tuple(replace(run, runner=runner) for run in runs) for arm, runs in self.arms.items()}
        return replace(self, runs=tuple(replace(run, runner=runner) for run in self.runs), arms=arms)


def parse_models(text: str) -> tuple[Rival, ...]:
    """Rivals by name: "all", or a comma-separated choice; models that every run has may be named too.

    Raises:
        ConfigError: a name is unknown.
    """
    if text.strip() == ALL:
        return tuple(Rival)
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in (*Rival, *ALWAYS)]
    if unknown or not names:
        raise ConfigError(
            f"models: {unknown or text!r} is unknown; choose {ALL}, or some of {', '.join((*ALWAYS, *Rival))}"
        )
    return tuple(rival for rival in Rival if rival in names)


def parse_arms(text: str) -> tuple[Arm, ...]:
    """Arms by name, joined by commas; "none" or nothing for none.

    Raises:
        ConfigError: a name is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip() and name.strip() != NONE]
    unknown = [name for name in names if name not in list(Arm)]
    if unknown:
        raise ConfigError(f"arms: {unknown} is unknown; choose {NONE}, or some of {', '.join(Arm)}")
    return tuple(arm for arm in Arm if arm in names)


def plan(
    preset: str,
    *,
    models: str,
    seeds: int,
    arms: str = NONE,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Board:
    """The runs: as the preset and the overrides say, with the seeds train.seed, train.seed + 1, ...

    Raises:
        ConfigError: fewer than one seed, an arm without anything to leave out, or whatever `settle` refuses.
        ContractError: the raw files changed meanwhile.
    """
    if seeds < 1:
        raise ConfigError(f"seeds: {seeds}, expected at least 1")
    rivals = {"evaluate.rivals": [str(rival) for rival in parse_models(models)]}

    def of(number: int | None, more: Mapping[str, Any]) -> RunContext:
        seed = {} if number is None else {"train.seed": number}
        return settle(preset, raw_dir=raw_dir, work_dir=work_dir, overrides={**(overrides or {}), **seed, **more})

    base = of(None, rivals).config
    numbers = tuple(range(base.train.seed, base.train.seed + seeds))
    runs = tuple(of(number, rivals) for number in numbers)
    data = {run.data_dir.name for run in runs}
    if len(data) > 1:
        raise ContractError(
            f"leaderboard: the runs are on different data ({sorted(data)}); the raw files changed, start again"
        )
    # an arm needs MedPatch alone
    alone = {arm: {**arm_overrides(arm, base), "evaluate.rivals": []} for arm in parse_arms(arms)}
    with_less = {arm: tuple(replace(of(n, fields), arm=arm) for n in numbers) for arm, fields in alone.items()}
    return Board(runs, numbers, with_less)
