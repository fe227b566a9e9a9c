"""From what a person types to a RunContext."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.context import RunContext, open_context
from medpatch.config.override import apply_overrides
from medpatch.config.path import PathConfig
from medpatch.config.preset import preset as find_preset
from medpatch.config.runner import RunnerConfig
from medpatch.contract.refresh import Step, refresh_from


def settle(
    preset: str,
    *,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> RunContext:
    """Preset plus overrides, checked against the raw files; needs no server and imports no prefect.

    Raises:
        ConfigError: unknown preset or field, or a value that its field refuses.
        RawDataError: the raw files are not usable.
    """
    config = apply_overrides(find_preset(preset), overrides or {})
    paths = PathConfig.from_environment(raw_dir=raw_dir, work_dir=work_dir)
    return open_context(preset, config, paths)


def start(
    preset: str,
    *,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    refresh: Collection[Step] = (),
    runner: RunnerConfig | None = None,
) -> RunContext:
    """What a flow begins with: `settle`, and the runs of killed processes closed.

    Args:
        preset: named configuration.
        raw_dir: None takes the environment's.
        work_dir: None takes the environment's.
        overrides: single fields by dotted name.
        refresh: steps to do again, each with all that follow it, whatever is current.
        runner: where the parts of a step run; None means here.

    Raises:
        ConfigError: unknown preset or field, or a value that its field refuses.
        RawDataError: the raw files are not usable.
    """
    run = settle(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides)
    from flows.journal import open_entry

    open_entry(run.paths)
    refresh_from(refresh)
    return run if runner is None else replace(run, runner=runner)
