"""How many rows the files of a release are said to have, where the files claim to be the whole of it."""

import csv
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from medpatch.config.path import SQL_DIR
from medpatch.contract.table import small_table
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.source import RawSource

logger = logging.getLogger(__name__)

SEED = SQL_DIR / "seed" / "release_row_count.csv"
RELEASE_COUNT_SCHEMA = pa.schema([("source", pa.string()), ("rows", pa.int64())])
_VERSION = re.compile(r"(?:.*-)?(\d+(?:\.\d+)+)")


def release_counts(source: RawSource) -> dict[str, int]:
    """Raw table -> rows that its release is said to have; nothing for data that do not claim to be whole.

    A data set claims it by a folder named after a release, such as mimiciv/3.1 or mimic-iv-3.1, as PhysioNet's
    downloads leave it. The open demo (mimic-iv-demo/2.2), made-up trees and folders without a version claim nothing.
    """
    if source.made_up is not None:
        return {}
    with SEED.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    claimed = {table.dataset: _claimed_release(source.folder(table)) for table in RAW_TABLES.values()}
    return {row["source"]: int(row["rows"]) for row in rows if claimed[row["dataset"]] == row["release"]}


def release_table(counts: Mapping[str, int]) -> pa.Table:
    """The counts as the relation that SQL reads."""
    rows = [{"source": name, "rows": count} for name, count in counts.items()]
    return small_table(rows, RELEASE_COUNT_SCHEMA)


def name_differences(source: RawSource, rows_read: Mapping[str, int], *, counts: Mapping[str, int]) -> tuple[str, ...]:
    """One sentence per file whose rows differ in number from its release; logged as warnings too.

    Args:
        source: where the files are.
        rows_read: raw table -> rows of its file.
        counts: raw table -> rows of the release.
    """
    differing = [name for name, count in counts.items() if rows_read.get(name, count) != count]
    messages = tuple(
        f"{source.file(name)}: {rows_read[name]} rows, {counts[name]} in release "
        f"{_claimed_release(source.folder(RAW_TABLES[name]))}; download the file again, or rename its folder "
        "if it is a part of the release on purpose"
        for name in differing
    )
    for message in messages:
        logger.warning(message)
    return messages


def _claimed_release(folder: Path | None) -> str | None:
    """Release that the path names, looking past note/ inside a version; None for the demo and without a version."""
    if folder is None or any("demo" in part.lower() for part in folder.parts[-3:]):
        return None
    named = (_VERSION.fullmatch(f.name) for f in (folder, folder.parent))
    return next((found.group(1) for found in named if found), None)
