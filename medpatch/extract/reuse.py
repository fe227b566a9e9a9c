"""Staged tables that an earlier folder already holds: linked instead of made again."""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from medpatch.config.base import digest_of
from medpatch.config.code import EXTRACT_CODE
from medpatch.config.path import code_digest
from medpatch.contract.artifact import is_whole
from medpatch.contract.refresh import must_be_redone
from medpatch.extract.layer import SqlFile
from medpatch.extract.register import SEED_DIR
from medpatch.extract.reject import Reject
from medpatch.extract.source import RawSource, describe_file

logger = logging.getLogger(__name__)

STAGED = "staged.json"
READING_CODE = ("extract",)
"""A change anywhere in this package makes every table again; a change of one SQL file or seed, that table."""


@dataclass(frozen=True)
class StagedTable:
    """What staging one table came to.

    Attributes:
        source: raw table.
        rows_in: rows of its file.
        rows_kept: rows written.
        rejects: rows set aside, per reason.
        made_from: digest of the raw files, the query, its seeds and the code.
    """

    source: str
    rows_in: int
    rows_kept: int
    rejects: tuple[Reject, ...]
    made_from: str = ""


class Memory:
    """Tables of earlier staging folders, found by what they were made from."""

    def __init__(self, source: RawSource, staging_dir: Path) -> None:
        """Look at `staging_dir`, which may be about to be replaced, and at the folders beside it.

        Nothing is taken over while the extraction is to be done again (`contract.refresh`).
        """
        self._source = source
        self._dir = staging_dir
        self._starts_anew = must_be_redone(staging_dir, EXTRACT_CODE)

    def take_over(self, file: SqlFile, folder: Path) -> StagedTable | None:
        """Link the table into `folder` if an earlier folder has it."""
        found = None if self._starts_anew else self._earlier.get(self.made_from(file))
        if found is None:
            return None
        earlier, table = found
        for part in sorted([*earlier.glob(f"{file.name}.parquet"), *earlier.glob(f"{file.name}/*.parquet")]):
            target = folder / part.relative_to(earlier)
            target.parent.mkdir(exist_ok=True)
            try:
                os.link(part, target)
            except OSError:  # a file system without links
                shutil.copy2(part, target)
        logger.info("took over %s from %s", file.name, earlier.name)
        return table

    def described(self, file: SqlFile, table: StagedTable) -> StagedTable:
        """The table with what it was made from."""
        return replace(table, made_from=self.made_from(file))

    def made_from(self, file: SqlFile) -> str:
        """Digest of everything that decides the content of the table."""
        raw = {name: self._source.file(name.removeprefix("raw_")) for name in file.reads if name.startswith("raw_")}
        seeds = [SEED_DIR / f"{name}.csv" for name in sorted(file.reads - raw.keys())]
        described = {name: None if found is None else describe_file(found) for name, found in sorted(raw.items())}
        return digest_of(file.text, described, [seed.read_text() for seed in seeds], code_digest(READING_CODE))

    def write(self, folder: Path, staged: Sequence[StagedTable]) -> None:
        """Remember what is in `folder`."""
        (folder / STAGED).write_text(json.dumps([asdict(table) for table in staged], indent=1))

    @cached_property
    def _earlier(self) -> dict[str, tuple[Path, StagedTable]]:
        return {table.made_from: (folder, table) for folder in self._folders() for table in _read(folder)}

    def _folders(self) -> Iterator[Path]:
        for file in sorted(self._dir.parent.glob(f"*/{STAGED}")):
            if not file.parent.name.startswith(".") and is_whole(file.parent):
                yield file.parent


def _read(folder: Path) -> list[StagedTable]:
    try:
        rows = json.loads((folder / STAGED).read_text())
        return [StagedTable(**{**row, "rejects": tuple(Reject(**r) for r in row["rejects"])}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        logger.warning("%s: not readable, its tables are made again", folder / STAGED)
        return []
