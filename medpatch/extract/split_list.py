"""The published split: which subjects select and which test."""

import csv
from pathlib import Path

import pyarrow as pa

from medpatch.config.error import ConfigError
from medpatch.config.name import Split

LIST_FILES = {Split.TEST: "testset_iv.csv", Split.VAL: "valset_iv.csv"}
SPLIT_LIST_SCHEMA = pa.schema([("subject_id", pa.int64()), ("split", pa.string())])


def read_split_list(list_dir: Path | None) -> pa.Table:
    """Subjects that the lists flag, with their split; the test list wins. No rows without lists.

    A list has lines "subject_id,flag" and perhaps a header; flag 1 = held out. Lines with flag 0 name
    subjects that were considered and train, like subjects in no list.

    Raises:
        ConfigError: a list is absent, or a line is not two whole numbers, the second 0 or 1.

    Source: create_split of the published extraction (subject and flag, 20 % test, 10 % of the rest val).
    """
    split_of: dict[int, Split] = {}
    if list_dir is not None:
        for split, name in LIST_FILES.items():
            for subject_id in _flagged(list_dir / name):
                split_of.setdefault(subject_id, split)
    rows = [{"subject_id": s, "split": str(split)} for s, split in sorted(split_of.items())]
    return pa.Table.from_pylist(rows, schema=SPLIT_LIST_SCHEMA)


def _flagged(file: Path) -> list[int]:
    if not file.is_file():
        raise ConfigError(
            f"{file}: absent; split.list_dir must hold {' and '.join(LIST_FILES.values())}, or be left out"
        )
    with file.open(newline="", encoding="utf-8-sig") as stream:
        lines = [line for line in csv.reader(stream) if line]
    if lines and not any(field.strip().isdigit() for field in lines[0]):
        lines = lines[1:]
    flagged: list[int] = []
    for number, line in enumerate(lines, start=1):
        fields = [field.strip() for field in line]
        if len(fields) != 2 or not fields[0].isdigit() or fields[1] not in ("0", "1"):
            raise ConfigError(
                f"{file}: entry {number} has {len(fields)} fields; expected 'subject_id,flag' with flag 0 or 1"
            )
        if fields[1] == "1":
            flagged.append(int(fields[0]))
    return flagged
