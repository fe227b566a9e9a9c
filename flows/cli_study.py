"""Commands that train many times: search of a learning rate, comparison of all models."""

from typing import Annotated

import typer

from flows.cli_option import (
    DaskAddress,
    Preset,
    RawDir,
    RunnerName,
    Set,
    WorkDir,
    named_errors,
    named_runner,
    paths_of,
)
from medpatch.config.override import parse_overrides
from medpatch.config.preset import PresetName
from medpatch.config.runner import Runner
from medpatch.config.search import SearchPart, SearchSettings, search_range


def leaderboard(
    *,
    preset: Preset = PresetName.tiny_in_hospital_mortality,
    models: Annotated[str, typer.Option(help="all, or names of rivals joined by commas")] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="trainings, with train.seed, train.seed + 1, ...")] = 3,
    arms: Annotated[
        str, typer.Option(help="without_dn, without_cxr_reports, known_by_window_end: MedPatch with less to read")
    ] = "none",
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
    runner: RunnerName = Runner.LOCAL,
    dask_address: DaskAddress = None,
) -> None:
    """Train or reuse every model on identical data, once per seed, and compare them in one report."""
    spread = named_runner(runner, dask_address)
    with named_errors():
        paths = paths_of(raw_dir, work_dir)
        from flows.plan import plan
        from flows.server import api_server

        fields = parse_overrides(overrides or [])
        chosen = {"models": models, "seeds": seeds, "arms": arms}
        board = plan(preset, **chosen, raw_dir=paths.raw_dir, work_dir=paths.work_dir, overrides=fields)
        with api_server(paths) as api:
            from flows.leaderboard import lead_locally

            api.wait()
            lead_locally(board, preset, overrides=fields, chosen=chosen, runner=spread)


def search(
    *,
    preset: Preset = PresetName.tiny_in_hospital_mortality,
    part: Annotated[SearchPart, typer.Option(help="all stages together, one stage, or a rival")] = SearchPart.ALL,
    trials: Annotated[int, typer.Option(min=1, help="learning rates to try")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="training seeds of each")] = 3,
    low: Annotated[
        float | None, typer.Option(help="smallest learning rate; 1e-5, or a tenth of the part's own")
    ] = None,
    high: Annotated[float | None, typer.Option(help="largest learning rate; 1e-3, or ten times the part's own")] = None,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
) -> None:
    """Find a learning rate on validation, over several seeds; a search that was stopped goes on."""
    with named_errors():
        number = tuple(range(seeds))
        if low is not None and high is not None:
            SearchSettings(trials, number, low, high)  # refuses what cannot be searched
        paths = paths_of(raw_dir, work_dir)
        from flows.server import api_server
        from flows.start import settle

        fields = parse_overrides(overrides or [])
        run = settle(preset, raw_dir=paths.raw_dir, work_dir=paths.work_dir, overrides=fields)
        low, high = search_range(run.config, part, low=low, high=high)
        SearchSettings(trials, number, low, high)
        with api_server(paths) as api:
            from flows.search_local import search_locally

            api.wait()
            ways = {"trials": trials, "seeds": seeds, "low": low, "high": high}
            search_locally(preset, part, paths=paths, overrides=fields, ways=ways)
