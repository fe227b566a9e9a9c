"""Find the raw data sets under one folder, in any of the layouts they come in, and identify their content."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from medpatch.config.base import digest_of
from medpatch.config.error import RawDataError
from medpatch.config.name import Modality
from medpatch.contract.table import MADE_UP
from medpatch.extract.header import check_columns, has_value, read_header
from medpatch.extract.raw_table import RAW_TABLES, RawTable

SUFFIXES = (".parquet", ".csv.gz", ".csv")
YEARS_SINCE_3 = "2020 - 2022"
"""Years that release 3.0 added; its columns are those of 2.2."""
WHOLE_HASH_BYTES = 256 * 2**20
EDGE_BYTES = 2**20
_FOLDERS = {
    "ehr": ("mimiciv", "mimic-iv", "mimic-iv-demo", "mimiciv-demo"),
    "cxr": ("mimic-cxr-jpg",),
    "note": ("mimic-iv-note",),
}
_TABLE_OF = {Modality.CXR: "cxr_metadata", Modality.RR: "radiology", Modality.DN: "discharge"}
_LONG_NAMES = {
    "ehr": r"mimic-iv(-clinical-database-demo)?",
    "cxr": r"mimic-cxr-jpg(-chest-radiographs-with-structured-labels)?",
    "note": r"mimic-iv-note(-deidentified-free-text-clinical-notes)?",
}
"""Names of the folders in PhysioNet's zip files, before "-<version>"."""
_VERSION = re.compile(r"\d+(\.\d+)+")


@dataclass(frozen=True)
class RawSource:
    """The raw data sets of one run.

    Attributes:
        ehr_dir: folder with hosp/ and icu/ (and core/ in release 1.0).
        cxr_dir: MIMIC-CXR-JPG folder, with files/ and the metadata table; None = absent.
        note_dir: folder with radiology and discharge tables; None = absent.
        release: of MIMIC-IV, such as "2.2": from the folder's name, else told from columns and years.
        made_up: content of MADE_UP.json, or None for data that do not say they are made up.
    """

    ehr_dir: Path
    cxr_dir: Path | None
    note_dir: Path | None
    release: str
    made_up: dict[str, Any] | None

    def __hash__(self) -> int:
        return hash((self.ehr_dir, self.cxr_dir, self.note_dir, self.release))

    def folder(self, table: RawTable) -> Path | None:
        """Folder of the data set that holds the table."""
        return {"ehr": self.ehr_dir, "cxr": self.cxr_dir, "note": self.note_dir}[table.dataset]

    def file(self, name: str) -> Path | None:
        """File of a raw table, or None where its data set or file is absent."""
        folder = self.folder(RAW_TABLES[name])
        return None if folder is None else table_file(folder, RAW_TABLES[name])


def find_raw(raw_dir: Path) -> RawSource:
    """The data sets under `raw_dir`: our layout, PhysioNet's download, or hosp/ and icu/ directly.

    Every table that is there has its columns checked; rows are not read.

    Raises:
        RawDataError: no MIMIC-IV, or a table or column of it is absent, or a file is empty or truncated.
    """
    if not raw_dir.is_dir():
        raise RawDataError(f"{raw_dir}: no such folder; set MEDPATCH_RAW_DIR or --raw-dir to your MIMIC files")
    ehr_dir = next((f for f in _candidates(raw_dir, "ehr") if (f / "icu").is_dir() or (f / "hosp").is_dir()), None)
    if ehr_dir is None:
        raise RawDataError(
            f"{raw_dir}: no MIMIC-IV found; expected hosp/ and icu/ there, or in mimiciv/, or in "
            "physionet.org/files/mimiciv/<version>/"
        )
    cxr_dir = _cxr_dir(raw_dir)
    note_dir = next((f for f in _candidates(raw_dir, "note") if _has_any(f, ("radiology", "discharge"))), None)
    headers = _check_tables(ehr_dir, cxr_dir, note_dir=note_dir)
    made_up_file = next((d / MADE_UP for d in (raw_dir, ehr_dir) if (d / MADE_UP).is_file()), None)
    return RawSource(
        ehr_dir=ehr_dir,
        cxr_dir=cxr_dir,
        note_dir=note_dir,
        release=_release(ehr_dir, headers),
        made_up=None if made_up_file is None else json.loads(made_up_file.read_text()),
    )


def missing_modalities(source: RawSource, modalities: Iterable[Modality]) -> tuple[Modality, ...]:
    """Those of the modalities whose raw table is absent."""
    return tuple(m for m in modalities if m in _TABLE_OF and source.file(_TABLE_OF[m]) is None)


def raw_fingerprint(source: RawSource) -> str:
    """Digest of the raw tables: path inside the data set, size and content; images are not looked at.

    Files above 256 MB count by size, time of change, first and last MB, so that it stays a matter of seconds.
    """
    files = {name: file for name in RAW_TABLES if (file := source.file(name)) is not None}
    described = {
        name: (str(file.relative_to(source.folder(RAW_TABLES[name]))), *describe_file(file))
        for name, file in sorted(files.items())
    }
    return digest_of(described, source.release, source.made_up)


def describe_file(file: Path) -> tuple[int, str]:
    """Size and digest of a raw file; remembered while its time of change stays the same."""
    return _describe(file, file.stat().st_mtime_ns)


def table_file(folder: Path, table: RawTable) -> Path | None:
    """File of the table in the folder of its data set; Parquet before CSV.gz before CSV."""
    for pattern in table.files:
        for suffix in SUFFIXES:
            found = sorted(folder.glob(pattern + suffix))
            if found:
                return found[-1]
    return None


def _candidates(raw_dir: Path, dataset: str) -> Iterable[Path]:
    """Folders that may hold the data set, the likeliest first; versions from the newest."""
    if dataset == "ehr":
        yield raw_dir
    unzipped = [f for f in raw_dir.glob("*") if f.is_dir() and re.fullmatch(rf"{_LONG_NAMES[dataset]}-[\d.]+", f.name)]
    for folder in sorted(unzipped, key=_version_order, reverse=True):
        yield from (folder / "note", folder) if dataset == "note" else (folder,)
    for root in (raw_dir, raw_dir / "physionet.org" / "files"):
        for name in _FOLDERS[dataset]:
            versions = [d for d in (root / name).glob("*") if d.is_dir() and _VERSION.fullmatch(d.name)]
            versions.sort(key=_version_order, reverse=True)
            for folder in (root / name, *versions):
                if folder.is_dir():
                    yield from (folder / "note", folder) if dataset == "note" else (folder,)


def _version_order(folder: Path) -> list[int]:
    return [int(part) for part in _version(folder).split(".")]


def _version(folder: Path) -> str:
    """The version at the end of a folder's name, such as "3.1" or "mimic-iv-3.1"; 0 if it has none."""
    found = re.fullmatch(r"(?:mimic.*-)?(\d+(?:\.\d+)+)", folder.name)
    return "0" if found is None else found.group(1)


def _cxr_dir(raw_dir: Path) -> Path | None:
    present = list(_candidates(raw_dir, "cxr"))
    with_metadata = [f for f in present if table_file(f, RAW_TABLES["cxr_metadata"]) is not None]
    if present and not with_metadata:
        raise RawDataError(
            f"{present[-1]}: no mimic-cxr-2.0.0-metadata.csv.gz, expected beside files/; "
            "download it, or move the folder away to run without images"
        )
    return with_metadata[0] if with_metadata else None


def _has_any(folder: Path, names: Iterable[str]) -> bool:
    return any(table_file(folder, RAW_TABLES[name]) is not None for name in names)


def _check_tables(ehr_dir: Path, cxr_dir: Path | None, *, note_dir: Path | None) -> dict[str, list[str]]:
    """Table name -> its columns."""
    folders = {"ehr": ehr_dir, "cxr": cxr_dir, "note": note_dir}
    headers: dict[str, list[str]] = {}
    for name, table in RAW_TABLES.items():
        folder = folders[table.dataset]
        file = None if folder is None else table_file(folder, table)
        if file is None and table.dataset == "ehr":
            raise RawDataError(
                f"{ehr_dir}: {' or '.join(table.files)} (.csv.gz, .csv or .parquet) is absent; it is part of "
                "every MIMIC-IV release from 1.0 to 3.1: download it, or check the folder"
            )
        if file is not None:
            headers[name] = read_header(file)
            check_columns(file, table, found=headers[name])
    return headers


def _release(ehr_dir: Path, headers: dict[str, list[str]]) -> str:
    """The folder's version, else what the columns and years say; 3.0 and 3.1 are told apart by the folder alone."""
    for folder in (ehr_dir, ehr_dir.parent):
        if _version(folder) != "0":
            return _version(folder)
    if "race" not in headers["admissions"]:
        return "1.0"
    if "admit_provider_id" not in headers["admissions"]:
        return "2.0"
    patients = table_file(ehr_dir, RAW_TABLES["patients"])
    return "3.1" if patients is not None and has_value(patients, "anchor_year_group", value=YEARS_SINCE_3) else "2.2"


@lru_cache(maxsize=256)
def _describe(file: Path, mtime_ns: int) -> tuple[int, str]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= WHOLE_HASH_BYTES:
            return size, hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256(f"{mtime_ns}".encode() + stream.read(EDGE_BYTES))
        stream.seek(-EDGE_BYTES, 2)
        digest.update(stream.read())
    return size, digest.hexdigest()
