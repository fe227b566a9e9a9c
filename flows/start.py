"""From what a person types to a RunContext."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.context import RunContext, open_context
from medpatch.config.override import apply_overrides
from medpatch.config.path import PathConfig
from medpatch.config.preset import preset as find_preset


def start(
    preset: str,
    *,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> RunContext:
    """Preset plus overrides, checked against the raw files.

    Raises:
        ConfigError: unknown preset or field, or a value that its field refuses.
        RawDataError: the raw files are not usable.
    """
    config = apply_overrides(find_preset(preset), overrides or {})
    paths = PathConfig.from_environment(raw_dir=raw_dir, work_dir=work_dir)
    return open_context(preset, config, paths)
