"""`medpatch fields`: what `--set` can change."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding

from flows.cli_option import Preset, named_errors
from medpatch.config.error import ConfigError
from medpatch.config.preset import PresetName
from medpatch.config.preset import preset as find_preset

LIMITS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def fields(
    word: Annotated[
        str, typer.Argument(help="only fields whose name or meaning has this word", show_default=False)
    ] = "",
    preset: Preset = PresetName.tiny_in_hospital_mortality,
) -> None:
    """List every field that --set can change: its type, its value in the preset, and what it means."""
    with named_errors():
        console = Console(highlight=False, markup=False)
        for name, kind, value, meaning in field_rows(preset, word):
            console.print(f"{name}={value}  ({kind})", style="bold", soft_wrap=True)
            console.print(Padding(meaning, (0, 0, 0, 4)))


def field_rows(preset: str, word: str = "") -> list[tuple[str, str, str, str]]:
    """(name, type, value in the preset, meaning) of the fields that have the word, sorted by name.

    Where none has it as a whole word, in the singular or the plural, those that have it inside of one.

    Raises:
        ConfigError: none has it, or an unknown preset.
    """
    from flows.parameter import field_schemas

    value = find_preset(preset).flatten()
    rows = [
        (name, type_words(schema), "none" if value[name] is None else str(value[name]), schema.get("description", ""))
        for name, schema in field_schemas().items()
    ]
    whole = re.compile(rf"(?<![^\W_]){re.escape(word)}(e?s)?(?![^\W_])", re.IGNORECASE)  # "_" parts words too
    found = [row for row in rows if not word or whole.search(f"{row[0]} {row[3]}")]
    found = found or [row for row in rows if word.lower() in f"{row[0]} {row[3]}".lower()]
    if not found:
        raise ConfigError(f"no field has {word!r} in its name or meaning; `medpatch fields` lists all {len(rows)}")
    return found


def type_words(schema: Mapping[str, Any]) -> str:
    """The type of a JSON schema in words: its choices, else its name with its limits."""
    if "anyOf" in schema:
        return " or ".join("none" if one.get("type") == "null" else type_words(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        items = schema.get("items") or schema.get("prefixItems") or {}
        one = items[0] if isinstance(items, list) else items
        return f"list of {type_words(one)}" if one else "list"
    name = {"string": "text", "object": "table"}.get(schema.get("type"), schema.get("type", "value"))
    return " ".join([str(name), *(text.format(schema[key]) for key, text in LIMITS.items() if key in schema)])
