"""The parameters of the flows as types, so that a form shows choices, units and limits and refuses the rest."""

from collections.abc import Callable, Iterable
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic.fields import FieldInfo

from medpatch.config.arm import Arm
from medpatch.config.name import Rival
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import PresetName
from medpatch.config.runner import RunnerConfig
from medpatch.contract.refresh import Step

Function = TypeVar("Function", bound=Callable[..., Any])


def described(function: Function) -> Function:
    """The function of a flow, its docstring completed by what the types of its parameters say of them.

    Prefect's form shows a parameter by the docstring alone and leaves out the description of its type.
    """
    told = {name: _description(hint) for name, hint in get_type_hints(function, include_extras=True).items()}
    lines = [f"    {name}: {text}" for name, text in told.items() if text]
    function.__doc__ = "\n".join([cleandoc(function.__doc__ or ""), "", "Args:", *lines])
    return function


def _description(hint: Any) -> str | None:
    """What the metadata of an annotated type say; None where they say nothing."""
    metadata: Iterable[Any] = get_args(hint)[1:]
    for one in metadata:
        if isinstance(one, FieldInfo) and one.description:
            return one.description
        if isinstance(one, WithJsonSchema) and one.json_schema:
            return one.json_schema.get("description")
    return None


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
            found[f"{prefix}{name}"] = {**_choosable(resolved), "title": f"{prefix}{name}"}
    return found


def _choosable(schema: dict[str, Any]) -> dict[str, Any]:
    """Yes or no as a choice of two: the form would send a switch that nobody touched as "no"."""
    if schema.get("type") != "boolean":
        return schema
    return {**{k: v for k, v in schema.items() if k != "type"}, "enum": [True, False]}


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


PRESET_HELP = (
    "what is predicted, and how large: in_hospital_mortality (from the first 48 h) or phenotyping (25 conditions, "
    "whole stay); tiny_… has encoders small enough for two CPU cores, the others are of paper size"
)
Preset = Annotated[PresetName, Field(description=PRESET_HELP)]
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
            "description": "fields that differ from the preset, as in {'train.seed': 3}; what is left "
            "empty stays as in the preset",
            "properties": field_schemas(),
            "additionalProperties": False,
        }
    ),
]
NO_OVERRIDES: dict[str, Any] = {}
"""The default; the form cannot be sent with None, which is no object."""
Refresh = Annotated[
    tuple[Step, ...],
    Field(description="do these steps, and all after them, again although nothing changed"),
]
Models = Annotated[str, Field(description=f"all, or some of these joined by commas: {', '.join(Rival)}")]
Seeds = Annotated[int, Field(ge=1, description="trainings of each model, with train.seed, train.seed + 1, ...")]
Arms = Annotated[
    str,
    Field(
        description=f"none, or some of these joined by commas: {', '.join(Arm)}; "
        "in each MedPatch is trained with less to read"
    ),
]
RunnerSettings = Annotated[
    RunnerConfig | None, Field(description="where the parts of a step run; empty: in one process of this machine")
]
