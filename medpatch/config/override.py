"""Single fields changed by dotted name, checked like everything else."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from medpatch.config.error import ConfigError
from medpatch.config.pipeline import PipelineConfig


def apply_overrides(config: PipelineConfig, overrides: Mapping[str, Any]) -> PipelineConfig:
    """The configuration with `{"train.seed": 3}`-like changes.

    Raises:
        ConfigError: a name that no section has, or a value that its field refuses.
    """
    tree = config.model_dump(mode="python")
    for name, value in overrides.items():
        *path, leaf = name.split(".")
        branch: Any = tree
        for key in path:
            branch = branch.get(key) if isinstance(branch, dict) else None
        if not isinstance(branch, dict) or leaf not in branch:
            raise ConfigError(f"{name!r} names no field; {_alike(name, sorted(config.flatten()))}")
        branch[leaf] = _as_list(value) if isinstance(branch[leaf], tuple) else value
    return checked(tree)


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """`["train.seed=3"]` as a mapping; "none" means no value, a comma separates the items of a list.

    Raises:
        ConfigError: an item without "=".
    """
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ConfigError(f"override {wrong[0]!r} has no '='; write section.field=value, e.g. train.seed=3")
    return {name.strip(): _plain(value.strip()) for name, value in (pair.split("=", 1) for pair in pairs)}


def _alike(name: str, fields: list[str]) -> str:
    """The fields that may have been meant, else those of the same section, else all."""
    close = get_close_matches(name, fields, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    section = name.rpartition(".")[0]
    of_section = [field for field in fields if field.rpartition(".")[0] == section]
    return f"the fields are {', '.join(of_section or fields)}"


def checked(tree: Mapping[str, Any]) -> PipelineConfig:
    """A PipelineConfig from plain values, with pydantic's complaint turned into ours."""
    try:
        return PipelineConfig.model_validate(tree)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in item['loc']) or 'configuration'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError("; ".join(lines)) from error


def _as_list(value: Any) -> Any:
    """One word for a list is a list of one, "none" an empty one."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _plain(text: str) -> Any:
    if text.lower() == "none":
        return None
    return text.split(",") if "," in text else text
