"""Splits given by lists: the published ones, and MIMIC-CXR's own."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from medpatch.config.cohort import SplitConfig
from medpatch.config.error import ConfigError, RawDataError
from medpatch.config.name import Split
from medpatch.contract.table import small_table
from medpatch.extract.header import named_errors
from medpatch.extract.source import RawSource

LIST_FILES = {Split.TEST: "testset_iv.csv", Split.VAL: "valset_iv.csv"}
CXR_LIST = "mimic-cxr-*-split.csv*"
CXR_SPLIT = {"train": Split.TRAIN, "validate": Split.VAL, "test": Split.TEST}
"""Spelling of MIMIC-CXR-JPG -> ours."""
SPLIT_LIST_SCHEMA = pa.schema([("subject_id", pa.int64()), ("split", pa.string())])


def read_split_list(config: SplitConfig, source: RawSource | None) -> pa.Table:
    """One row per subject that a list places; no rows without lists.

    MIMIC-CXR's own list comes first, where it is followed; then the published test list, then the val list.
    Subjects in no list are left to `subject_split`.

    Args:
        config: which lists.
        source: where MIMIC-CXR-JPG lies, whose list is `mimic-cxr-2.0.0-split.csv.gz`.

    Raises:
        ConfigError: a list is absent, or a line of a published list is not a subject and a flag.
        RawDataError: MIMIC-CXR's list is malformed, or places a subject in two splits.

    Source: create_split of the published extraction (subject and flag, 20 % test, 10 % of the rest val).
    """
    split_of: dict[int, Split] = {}
    if config.follows_mimic_cxr:
        split_of |= _cxr_splits(_cxr_list(source))
    if config.list_dir is not None:
        for split, name in LIST_FILES.items():
            for subject_id in _flagged(config.list_dir / name):
                split_of.setdefault(subject_id, split)
    rows = [{"subject_id": s, "split": str(split)} for s, split in sorted(split_of.items())]
    return small_table(rows, SPLIT_LIST_SCHEMA)


def _flagged(file: Path) -> list[int]:
    """Subjects with flag 1 = held out; lines with flag 0 name subjects that were considered and train."""
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


def _cxr_list(source: RawSource | None) -> Path:
    folder = None if source is None else source.cxr_dir
    found = [] if folder is None else sorted(folder.glob(CXR_LIST))
    if not found:
        raise ConfigError(
            f"split.follows_mimic_cxr: {folder or 'MIMIC-CXR-JPG'} has no {CXR_LIST.rstrip('*')}; download it, "
            "or leave the field out"
        )
    return found[-1]


def _cxr_splits(file: Path) -> dict[int, Split]:
    split_of: dict[int, Split] = {}
    for number, (subject, name) in enumerate(_cxr_rows(file), start=1):
        if not subject.isdigit() or name not in CXR_SPLIT:
            raise RawDataError(
                f"{file}: row {number} is not a subject_id with one of {', '.join(CXR_SPLIT)}; download it again"
            )
        split = split_of.setdefault(int(subject), CXR_SPLIT[name])
        if split is not CXR_SPLIT[name]:
            raise RawDataError(
                f"{file}: subject {subject} stands in {split} and in {CXR_SPLIT[name]}, expected one split per "
                "subject; download it again, or leave split.follows_mimic_cxr out"
            )
    return split_of


def _cxr_rows(file: Path) -> Iterator[tuple[str, str]]:
    opened = gzip.open if file.suffix == ".gz" else open
    with named_errors(file), opened(file, "rt", newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = {"subject_id", "split"} - set(reader.fieldnames or ())
        if missing:
            raise RawDataError(f"{file}: column {' and '.join(sorted(missing))} is absent; download it again")
        for row in reader:
            yield row["subject_id"] or "", row["split"] or ""
