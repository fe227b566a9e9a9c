"""The raw tables that are read: where each lies, its columns and their types."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

_ARROW = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "TIMESTAMP": pa.timestamp("us"), "VARCHAR": pa.string()}


@dataclass(frozen=True)
class RawTable:
    """One raw table.

    Attributes:
        dataset: ehr, cxr or note.
        files: paths below the data set's folder without suffix, glob patterns; the first that exists counts.
        columns: column -> DuckDB type, only those that are read.
        renamed: our column -> its name in older releases.
        may_be_empty: False where a table without rows means a broken file.
        key: the column that no two rows may share; None where rows have no key.
        is_event: True for the two long tables, which are read in pieces and of which few rows are wanted.
    """

    dataset: str
    files: tuple[str, ...]
    columns: Mapping[str, str]
    renamed: Mapping[str, str] = field(default_factory=dict)
    may_be_empty: bool = False
    key: str | None = None
    is_event: bool = False

    @property
    def is_note(self) -> bool:
        """True if a field holds pages of text, and the order of the file counts."""
        return self.dataset == "note"

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns with their types in Parquet."""
        return pa.schema([(name, _ARROW[kind]) for name, kind in self.columns.items()])


_NOTE = {
    "note_id": "VARCHAR",
    "subject_id": "BIGINT",
    "hadm_id": "BIGINT",
    "charttime": "TIMESTAMP",
    "storetime": "TIMESTAMP",
    "text": "VARCHAR",
}

RAW_TABLES: dict[str, RawTable] = {
    "patients": RawTable(
        "ehr",
        ("hosp/patients", "core/patients"),
        {
            "subject_id": "BIGINT",
            "gender": "VARCHAR",
            "anchor_age": "BIGINT",
            "anchor_year": "BIGINT",
            "dod": "TIMESTAMP",
        },
        key="subject_id",
    ),
    "admissions": RawTable(
        "ehr",
        ("hosp/admissions", "core/admissions"),
        {
            "subject_id": "BIGINT",
            "hadm_id": "BIGINT",
            "admittime": "TIMESTAMP",
            "dischtime": "TIMESTAMP",
            "deathtime": "TIMESTAMP",
            "race": "VARCHAR",
        },
        renamed={"race": "ethnicity"},
        key="hadm_id",
    ),
    "icustays": RawTable(
        "ehr",
        ("icu/icustays",),
        {
            "subject_id": "BIGINT",
            "hadm_id": "BIGINT",
            "stay_id": "BIGINT",
            "first_careunit": "VARCHAR",
            "last_careunit": "VARCHAR",
            "intime": "TIMESTAMP",
            "outtime": "TIMESTAMP",
            "los": "DOUBLE",
        },
        key="stay_id",
    ),
    "diagnoses_icd": RawTable(
        "ehr",
        ("hosp/diagnoses_icd",),
        {
            "subject_id": "BIGINT",
            "hadm_id": "BIGINT",
            "seq_num": "BIGINT",
            "icd_code": "VARCHAR",
            "icd_version": "BIGINT",
        },
    ),
    "d_icd_diagnoses": RawTable("ehr", ("hosp/d_icd_diagnoses",), {"icd_code": "VARCHAR", "icd_version": "BIGINT"}),
    "chartevents": RawTable(
        "ehr",
        ("icu/chartevents",),
        {
            "subject_id": "BIGINT",
            "hadm_id": "BIGINT",
            "stay_id": "BIGINT",
            "charttime": "TIMESTAMP",
            "storetime": "TIMESTAMP",
            "itemid": "BIGINT",
            "value": "VARCHAR",
            "valuenum": "DOUBLE",
        },
        is_event=True,
    ),
    "labevents": RawTable(
        "ehr",
        ("hosp/labevents",),
        {
            "subject_id": "BIGINT",
            "hadm_id": "BIGINT",
            "charttime": "TIMESTAMP",
            "storetime": "TIMESTAMP",
            "itemid": "BIGINT",
            "value": "VARCHAR",
            "valuenum": "DOUBLE",
        },
        is_event=True,
    ),
    "cxr_metadata": RawTable(
        "cxr",
        ("mimic-cxr-*-metadata",),
        {
            "dicom_id": "VARCHAR",
            "subject_id": "BIGINT",
            "study_id": "BIGINT",
            "ViewPosition": "VARCHAR",
            "StudyDate": "BIGINT",
            "StudyTime": "DOUBLE",
        },
        may_be_empty=True,
        key="dicom_id",
    ),
    "radiology": RawTable("note", ("radiology",), _NOTE, may_be_empty=True),
    "discharge": RawTable("note", ("discharge",), _NOTE, may_be_empty=True),
}
"""Table name -> where and what; `raw_<name>` in SQL.

Source: MIMIC-IV 1.0 to 3.1, MIMIC-CXR-JPG 2.0.0 and MIMIC-IV-Note 2.2 on PhysioNet. Release 1.0 keeps
patients and admissions in core/ and calls race ethnicity.
"""

MISSING_VALUES: tuple[str, ...] = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "n/a",
    "nan",
    "null",
)
"""Texts that mean "no value" in a raw file. "None" is not one of them: it is an answer of the coma scale.

Source: default list of pandas 1.1.5, which the published extraction read its files with.
"""
