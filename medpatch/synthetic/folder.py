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
