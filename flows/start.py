"""From what a person types to a RunContext."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from flows.context import RunContext, open_context
from flows.watch import watch
from medpatch.config.error import ConfigError
from medpatch.config.override import apply_overrides
from medpatch.config.path import PathConfig, is_worker_run, prefect_api
from medpatch.config.preset import preset as find_preset
from medpatch.config.runner import RunnerConfig
from medpatch.contract.artifact import is_whole
from medpatch.contract.refresh import Step, refresh_from
from medpatch.track.run import run_mark


def settle(
    preset: str,
    *,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    table_dir: Path | None = None,
) -> RunContext:
    """Preset plus overrides, checked against the raw files; needs no server and imports no prefect.

    Args:
        preset: named configuration.
        raw_dir: folder with the MIMIC data sets.
        work_dir: folder for everything that is written.
        overrides: single fields by dotted name.
        table_dir: folder for a copy of the mart tables that passed the gate.

    Raises:
        ConfigError: unknown preset or field, a value that its field refuses, or a `table_dir` with other files.
        RawDataError: the raw files are not usable.
    """
    config = apply_overrides(find_preset(preset), overrides or {})
    paths = PathConfig.from_environment(raw_dir=raw_dir, work_dir=work_dir)
    run = open_context(preset, config, paths=paths)
    return run if table_dir is None else replace(run, table_dir=_own_folder(table_dir))


def start(
    preset: str,
    *,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    table_dir: Path | None = None,
    refresh: Collection[Step] = (),
    runner: RunnerConfig | None = None,
    renames: bool = True,
    hands_over: bool = False,
) -> RunContext:
    """What a flow begins with: `settle`, and the runs of killed processes closed.

    Args:
        preset: named configuration.
        raw_dir: None takes the environment's.
        work_dir: None takes the environment's.
        overrides: single fields by dotted name.
        table_dir: as in `settle`.
        refresh: steps to do again, each with all that follow it, whatever is current.
        runner: where the parts of a step run; None means here.
        renames: the flow run is named as its MLflow run is; False where it stands for several of them.
        hands_over: the flow can leave what follows alignment to a worker with a GPU (`flows.hand_over`).

    Raises:
        ConfigError: unknown preset or field, a value that its field refuses, or another flow's training elsewhere.
        RawDataError: the raw files are not usable.
        ServiceError: training elsewhere, and nothing there to hand it to.
    """
    from flows.failure import hide_tracebacks
    from flows.journal import open_entry

    hide_tracebacks()
    _watch_server()
    run = settle(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=overrides, table_dir=table_dir)
    open_entry(run.paths, name=f"{preset} {run_mark(run.config, run.data_digest)}" if renames else None)
    refresh_from(refresh)
    if runner is None:
        return run
    from flows.hand_over import settle_training

    return replace(run, runner=settle_training(runner, hands_over=hands_over))


@cache
def _watch_server() -> None:
    """In the process of a worker's flow run, which no command watches over: end where the server ends."""
    api = prefect_api()
    if api and is_worker_run():
        watch(api)


def _own_folder(table_dir: Path) -> Path:
    """The resolved folder: absent, empty, or one that an earlier run finished, for it is replaced as a whole."""
    folder = table_dir.expanduser().resolve()
    if folder.exists() and not (folder.is_dir() and (is_whole(folder) or not any(folder.iterdir()))):
        raise ConfigError(
            f"{folder}: holds files that are not tables of an extraction, and would be replaced; "
            "give --out a new or an empty folder"
        )
    return folder
