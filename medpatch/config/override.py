"""Single fields changed by dotted name, checked like everything else."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from medpatch.config.error import ConfigError
from medpatch.config.pipeline import PipelineConfig

CHOICE = re.compile("'([^']*)'")
WORDS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "too_short": "a list of at least {min_length}",
}
"""What pydantic says at length."""


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
        if not isinstance(branch, dict) or leaf not in branch or isinstance(branch[leaf], dict):
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
    """The fields of the section, if it is one; else those that may have been meant, or are beside it; else all."""
    below = [field for field in fields if field.startswith(f"{name}.")]
    if below:
        return f"it is a section, with the fields {', '.join(below)}"
    close = get_close_matches(name, fields, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    section = name.rpartition(".")[0]
    of_section = [field for field in fields if field.rpartition(".")[0] == section]
    return f"the fields are {', '.join(of_section or fields)}"


def checked(tree: Mapping[str, Any]) -> PipelineConfig:
    """A PipelineConfig from plain values, with pydantic's complaint turned into ours: field, expected, found.

    Raises:
        ConfigError: a value that its field refuses, or values that do not go together.
    """
    try:
        return PipelineConfig.model_validate(tree)
    except ValidationError as error:
        lines = [_complaint(item, tree) for item in error.errors(include_url=False)]
        raise ConfigError("; ".join(lines)) from error


def _complaint(item: Mapping[str, Any], tree: Mapping[str, Any]) -> str:
    place = _place(item["loc"], tree)
    message = item["msg"]
    if item["type"] == "value_error":  # our own rule, which says itself what it found
        message = str(item["ctx"]["error"]).removeprefix(f"{place.rpartition('.')[2]}: ")
        return f"{place}: {message}" if place else message
    expected = _expected(item)
    found = "none" if item["input"] is None else repr(item["input"])
    close = get_close_matches(str(item["input"]), CHOICE.findall(item.get("ctx", {}).get("expected", "")), n=1)
    return f"{place}: expected {expected}, found {found}{f'; did you mean {close[0]}?' if close else ''}"


def _place(loc: Sequence[str | int], tree: Mapping[str, Any]) -> str:
    """The dotted name of the field; the number of an item in a list, and pydantic's own words, are left out."""
    names: list[str] = []
    branch: Any = tree
    for part in loc:
        if not isinstance(branch, Mapping) or part not in branch:
            break
        names.append(str(part))
        branch = branch[part]
    return ".".join(names)


def _expected(item: Mapping[str, Any]) -> str:
    kind = item["type"]
    if kind in WORDS:
        return WORDS[kind].format(**item.get("ctx", {}))
    text = item["msg"].removeprefix("Input should be ")
    return f"a number {text}" if kind.startswith(("greater_than", "less_than")) else text


def _as_list(value: Any) -> Any:
    """One word for a list is a list of one, "none" an empty one."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _plain(text: str) -> Any:
    if text.lower() == "none":
        return None
    return text.split(",") if "," in text else text
