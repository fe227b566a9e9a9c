"""Folders of made-up data: whole or absent, and never in place of anything else."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medpatch.config.error import ConfigError
from medpatch.config.path import code_digest
from medpatch.contract.artifact import replacing
from medpatch.contract.table import MADE_UP


def generator() -> str:
    """Digest of the code that makes up trees: with the same seed it gives the same files."""
    return code_digest(("synthetic",))


def describe(root: Path, *, kind: str, statement: str, seed: int, **more: object) -> None:
    """Write MADE_UP.json, which says what the folder is and that it is made up."""
    content = {"kind": kind, "statement": statement, "seed": seed, "generator": generator(), **more}
    (root / MADE_UP).write_text(json.dumps(content, indent=1) + "\n")


def other_tree(target: Path, *, kind: str, **settings: object) -> str | None:
    """In words the made-up tree at `target`, if it was made with other settings than these; None if there is none."""
    try:
        found = json.loads((target / MADE_UP).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return f"a made-up tree whose {MADE_UP} cannot be read"
    wanted = {"kind": kind, **settings}
    if wanted == {name: found.get(name) for name in wanted}:
        return None
    told = [f"{name} {found[name]}" for name in ("kind", "subjects", "seed") if name in found]
    return f"a made-up tree ({', '.join(told)})"


def refuse_other_tree(target: Path, *, kind: str, **settings: object) -> None:
    """Nothing, unless a made-up tree of other settings is at `target`.

    Raises:
        ConfigError: one is.
    """
    other = other_tree(target, kind=kind, **settings)
    if other is not None:
        asked = ", ".join(f"{name} {value}" for name, value in {"kind": kind, **settings}.items())
        raise ConfigError(
            f"synth: {target} holds {other}, and one of other settings was asked for ({asked}); "
            "choose another folder, or add --replace to have the one there removed"
        )


@contextmanager
def made_up_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its place if the block ends without an error.

    Raises:
        ConfigError: `target` is a file, or a folder with content that no MADE_UP.json declares ours.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - a link keeps its name
    is_ours = (target / MADE_UP).is_file()
    if target.exists() and not is_ours and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            f"synth: {target} exists and is not a made-up tree (no {MADE_UP}); "
            "choose another folder or remove it yourself"
        )
    with replacing(target) as aside:
        yield aside
