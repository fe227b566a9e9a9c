"""Expectation suites: read from JSON, checked for form, parameters filled in."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from medpatch.config.error import ConfigError
from medpatch.config.path import EXPECTATION_DIR

PARAMETER = "$PARAMETER"
SEVERITIES = ("critical", "warning")
FIELDS = {"name", "judges", "unit", "remedy", "key", "expectations"}
COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")


@dataclass(frozen=True)
class Suite:
    """One suite with every parameter filled in.

    Attributes:
        name: file stem, for example "stay_index".
        judges: which rows it is meant for, in words.
        unit: what one row of the judged frame is, in the plural: "channels".
        remedy: where to look when it fails.
        key: columns that name a row; the first bad row's key may appear in an error.
        expectations: Great Expectations configurations (type, kwargs, severity, meta).
    """

    name: str
    judges: str
    unit: str
    remedy: str
    key: tuple[str, ...]
    expectations: tuple[Mapping[str, Any], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that some expectation or the key reads, sorted."""
        names = set(self.key)
        for expectation in self.expectations:
            names.update(columns_of(expectation))
        return tuple(sorted(names))


def suite_names(*, folder: Path = EXPECTATION_DIR) -> tuple[str, ...]:
    """Names of all suites, sorted."""
    return tuple(sorted(file.stem for file in folder.glob("*.json")))


def load_suite(name: str, parameters: Mapping[str, Any], *, folder: Path = EXPECTATION_DIR) -> Suite:
    """The suite of that name with `{"$PARAMETER": name}`, and `{name}` in its remedy, replaced by values.

    Raises:
        ConfigError: no such suite, a malformed one, or parameters that it lacks or does not know.
    """
    raw = read_suite(name, folder=folder)
    wanted = {*parameter_names(raw), *(name for _, name, _, _ in Formatter().parse(raw["remedy"]) if name)}
    missing, surplus = sorted(wanted - set(parameters)), sorted(set(parameters) - wanted)
    if missing or surplus:
        raise ConfigError(
            f"expectations/{name}.json: parameters missing {missing}, unknown {surplus}; it takes "
            f"{sorted(wanted)}; bind them in medpatch/validate/parameter.py"
        )
    expectations = tuple(_bound(expectation, parameters) for expectation in raw["expectations"])
    for number, expectation in enumerate(expectations):
        _check_severity(expectation["severity"], where=f"expectations/{name}.json, expectation {number}")
    return Suite(
        name=name,
        judges=raw["judges"],
        unit=raw["unit"],
        remedy=raw["remedy"].format(**parameters),
        key=tuple(raw["key"]),
        expectations=expectations,
    )


def read_suite(name: str, *, folder: Path = EXPECTATION_DIR) -> dict[str, Any]:
    """The suite as written, parameters still open.

    Raises:
        ConfigError: no such suite, or one that is not of the expected form.
    """
    file = folder / f"{name}.json"
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"expectations/{name}.json: no such suite; there are {', '.join(suite_names(folder=folder))}"
        ) from error
    except ValueError as error:
        raise ConfigError(f"expectations/{name}.json: not valid JSON ({error})") from error
    if not isinstance(raw, dict) or set(raw) != FIELDS or raw["name"] != name:
        raise ConfigError(f"expectations/{name}.json: needs exactly {sorted(FIELDS)} and name {name!r}")
    seen: set[str] = set()
    for number, expectation in enumerate(raw["expectations"]):
        _check_form(expectation, where=f"expectations/{name}.json, expectation {number}", seen=seen)
    return raw


def parameter_names(node: Any) -> Iterator[str]:
    """Every parameter that a suite (or a part of one) leaves open."""
    if isinstance(node, Mapping):
        if set(node) == {PARAMETER}:
            yield node[PARAMETER]
        else:
            for below in node.values():
                yield from parameter_names(below)
    elif isinstance(node, list):
        for below in node:
            yield from parameter_names(below)


def columns_of(expectation: Mapping[str, Any]) -> tuple[str, ...]:
    """Columns that one expectation names, in the order of its arguments."""
    names: list[str] = []
    for argument in COLUMN_ARGUMENTS:
        value = expectation["kwargs"].get(argument, [])
        names.extend([value] if isinstance(value, str) else value)
    return tuple(names)


def _check_form(expectation: Mapping[str, Any], *, where: str, seen: set[str]) -> None:
    meta = expectation.get("meta", {})
    if set(expectation) != {"type", "kwargs", "severity", "meta"} or not {"name", "why"} <= set(meta):
        raise ConfigError(f"{where}: needs type, kwargs, severity, and meta with name and why")
    if set(meta) - {"name", "why", "source"}:
        raise ConfigError(f"{where}: meta may hold name, why and source, not {sorted(meta)}")
    if not list(parameter_names(expectation["severity"])):
        _check_severity(expectation["severity"], where=where)
    if meta["name"] in seen:
        raise ConfigError(f"{where}: the name {meta['name']!r} is taken; each expectation has its own")
    seen.add(meta["name"])


def _check_severity(severity: object, *, where: str) -> None:
    if severity not in SEVERITIES:
        raise ConfigError(f"{where}: severity {severity!r} is not one of {SEVERITIES}")


def _bound(node: Any, parameters: Mapping[str, Any]) -> Any:
    if isinstance(node, Mapping):
        if set(node) == {PARAMETER}:
            return parameters[node[PARAMETER]]
        return {key: _bound(below, parameters) for key, below in node.items()}
    if isinstance(node, list):
        return [_bound(below, parameters) for below in node]
    return node
