"""Commands that train many times: search of a learning rate, comparison of all models."""

from typing import Annotated

import typer

from flows.cli_option import Preset, RawDir, Set, WorkDir, named_errors, paths_of
from medpatch.config.override import parse_overrides
from medpatch.config.preset import PresetName
from medpatch.config.search import SearchPart


def search(
    *,
    preset: Preset = PresetName.tiny_in_hospital_mortality,
    part: Annotated[SearchPart, typer.Option(help="all stages together, one stage, or a rival")] = SearchPart.ALL,
    trials: Annotated[int, typer.Option(min=1, help="learning rates to try")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="training seeds of each")] = 3,
    low: Annotated[float, typer.Option(help="smallest learning rate")] = 1e-5,
    high: Annotated[float, typer.Option(help="largest learning rate")] = 1e-3,
    raw_dir: RawDir = None,
    work_dir: WorkDir = None,
    overrides: Set = None,
) -> None:
    """Find a learning rate on validation, over several seeds; a search that was stopped goes on."""
    with named_errors():
        paths = paths_of(raw_dir, work_dir)
        from flows.server import api_server
        from flows.start import settle

        fields = parse_overrides(overrides or [])
        settle(preset, raw_dir=paths.raw_dir, work_dir=paths.work_dir, overrides=fields)
        with api_server(paths):
            from flows.search_local import search_locally

            ways = {"trials": trials, "seeds": seeds, "low": low, "high": high}
            search_locally(preset, part, paths=paths, overrides=fields, ways=ways)
