"""The parameters of the flows as types, so that a form shows choices, units and limits and refuses the rest."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import PresetName
from medpatch.config.runner import RunnerConfig
from medpatch.contract.refresh import Step


def field_schemas() -> dict[str, dict[str, Any]]:
    """Dotted field name -> JSON schema of its value: type, limits, choices, description."""
    schema = PipelineConfig.model_json_schema()
    return dict(sorted(_leaves(schema, schema.get("$defs", {}), prefix="").items()))


def known_fields(overrides: dict[str, Any] | None) -> dict[str, Any] | None:
    """The overrides, if every name is a field's.

    Raises:
        ValueError: one is not.
    """
    unknown = sorted(set(overrides or {}) - set(_names()))
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such field; the fields are {', '.join(_names())}")
    return overrides


@cache
def _names() -> tuple[str, ...]:
    return tuple(field_schemas())


def _leaves(schema: dict[str, Any], definitions: dict[str, Any], *, prefix: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, field in schema["properties"].items():
        resolved = _resolve(field, definitions)
        if "properties" in resolved:
            found |= _leaves(resolved, definitions, prefix=f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = {**resolved, "title": f"{prefix}{name}"}
    return found


def _resolve(node: Any, definitions: dict[str, Any]) -> Any:
    """The schema with references replaced and without defaults: a preset decides those."""
    if isinstance(node, list):
        return [_resolve(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if reference:
        target = _resolve(definitions[reference.rpartition("/")[2]], definitions)
        return {**target, **{k: v for k, v in node.items() if k not in ("$ref", "default")}}
    kept = {k: _resolve(v, definitions) for k, v in node.items() if k != "default"}
    return {**kept, "items": {}} if kept.get("type") == "array" and "items" not in kept else kept


Preset = Annotated[PresetName, Field(description="named configuration")]
RawDir = Annotated[
    Path | None,
    Field(description="folder with the MIMIC data sets; empty: MEDPATCH_RAW_DIR of the worker, else raw/ in work_dir"),
]
WorkDir = Annotated[
    Path | None, Field(description="folder for everything written; empty: MEDPATCH_WORK_DIR of the worker, else work")
]
TableDir = Annotated[
    Path | None, Field(description="folder for the tables, replaced as a whole; empty: inside work_dir")
]
Overrides = Annotated[
    dict[str, Any] | None,
    AfterValidator(known_fields),
    WithJsonSchema(
        {
            "type": "object",
            "title": "overrides",
            "description": 'single fields changed by dotted name, for example {"train.seed": 3}',
            "properties": field_schemas(),
            "additionalProperties": False,
        }
    ),
]
Refresh = Annotated[
    tuple[Step, ...],
    Field(description="do these steps, and all after them, again although nothing changed"),
]
RunnerSettings = Annotated[
    RunnerConfig | None, Field(description="where the parts of a step run; empty: in one process of this machine")
]
