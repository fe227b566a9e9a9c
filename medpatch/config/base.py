"""What every configuration class shares: immutability, refusal of unknown keys, a digest."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A configuration value: immutable, hashable, closed to unknown keys and to numbers that are none (inf, nan)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False, allow_inf_nan=False)

    def flatten(self) -> dict[str, Any]:
        """Every leaf as ``section.field`` -> plain JSON value, sorted by name (what MLflow logs)."""
        flat: dict[str, Any] = {}
        for path, leaf in _leaves((), self.model_dump(mode="json")):
            flat[".".join(path)] = leaf
        return dict(sorted(flat.items()))

    def digest(self) -> str:
        """Twelve hexadecimal digits that change when any field changes."""
        return digest_of(self.flatten())


def digest_of(*parts: Any) -> str:
    """Twelve hexadecimal digits (SHA-256) over JSON-serialisable parts, order-sensitive."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _leaves(path: tuple[str, ...], value: Any) -> Iterable[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves((*path, str(key)), below)
    elif isinstance(value, list):
        yield path, ",".join(str(item) for item in value)
    else:
        yield path, value
