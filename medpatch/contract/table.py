"""Columns and types of the mart tables that Python reads, as Parquet in the warehouse folder."""

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

TIME = pa.timestamp("us")
MADE_UP = "MADE_UP.json"
"""File at the root of a made-up tree, or of made-up parts of one, that says so."""

TABLES: dict[str, pa.Schema] = {
    "stay": pa.schema(
        [
            ("subject_id", pa.int64()),
            ("hadm_id", pa.int64()),
            ("stay_id", pa.int64()),
            ("intime", TIME),
            ("outtime", TIME),
            ("los_hours", pa.float64()),
            ("age_years", pa.int64()),
            ("gender", pa.string()),
            ("race", pa.string()),
            ("in_hospital_mortality", pa.bool_()),
            ("first_careunit", pa.string()),
        ]
    ),
    "cohort_attrition": pa.schema(
        [
            ("step", pa.int64()),
            ("criterion", pa.string()),
            ("stays_left", pa.int64()),
            ("stays_lost", pa.int64()),
            ("subjects_left", pa.int64()),
        ]
    ),
    "label_in_hospital_mortality": pa.schema([("stay_id", pa.int64()), ("label", pa.int8())]),
    "label_phenotype": pa.schema([("stay_id", pa.int64()), ("phenotype", pa.string()), ("label", pa.int8())]),
    "ehr_event": pa.schema(
        [
            ("stay_id", pa.int64()),
            ("hours_after_intime", pa.float64()),
            ("variable", pa.string()),
            ("value", pa.float64()),
            ("value_text", pa.string()),
        ]
    ),
    "subject_split": pa.schema([("subject_id", pa.int64()), ("split", pa.string())]),
    "cxr_study": pa.schema(
        [
            ("stay_id", pa.int64()),
            ("subject_id", pa.int64()),
            ("study_id", pa.int64()),
            ("dicom_id", pa.string()),
            ("studytime", TIME),
            ("hours_after_intime", pa.float64()),
            ("view_position", pa.string()),
            ("image_path", pa.string()),
            ("reason", pa.string()),
        ]
    ),
    "radiology_report": pa.schema(
        [
            ("stay_id", pa.int64()),
            ("note_id", pa.string()),
            ("note_order", pa.int64()),
            ("charttime", TIME),
            ("storetime", TIME),
            ("hours_after_intime", pa.float64()),
            ("text", pa.string()),
            ("reason", pa.string()),
        ]
    ),
    "discharge_note": pa.schema(
        [
            ("stay_id", pa.int64()),
            ("note_id", pa.string()),
            ("note_order", pa.int64()),
            ("charttime", TIME),
            ("storetime", TIME),
            ("hours_after_intime", pa.float64()),
            ("text", pa.string()),
            ("reason", pa.string()),
        ]
    ),
    "stay_index": pa.schema(
        [
            ("stay_id", pa.int64()),
            ("subject_id", pa.int64()),
            ("hadm_id", pa.int64()),
            ("split", pa.string()),
            ("window_start", TIME),
            ("window_end", TIME),
            ("window_hours", pa.float64()),
            ("ehr_event_count", pa.int64()),
            ("cxr_count", pa.int64()),
            ("rr_count", pa.int64()),
            ("dn_count", pa.int64()),
        ]
    ),
    "row_account": pa.schema(
        [
            ("source", pa.string()),
            ("rule", pa.string()),
            ("rows_in", pa.int64()),
            ("rows_kept", pa.int64()),
            ("rows_published", pa.int64()),
        ]
    ),
}
"""Table name -> schema. `stay` holds every cohort stay; `stay_index` the samples of the task.

`note_order` numbers a stay's notes from 0 in the order they are joined; `reason` says in a few words why
the item was chosen; `image_path` is relative to the MIMIC-CXR-JPG folder. `row_account` has one row per
source table and rule, in the order in which they apply; `rows_published` is what the release is said to hold,
where that is known and the files claim to be the whole release. The label table of the task has the samples
only. Categorical channels carry `value_text`, numeric ones `value`.
"""


def warehouse_file(name: str) -> str:
    """File name of a mart table inside the warehouse folder."""
    return f"{name}.parquet"


def small_table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """A few rows of whole numbers and texts as a table.

    Made by polars: pyarrow would look for pandas first, which takes half a second where nothing else needs it.
    """
    kinds = {field.name: pl.String if field.type == pa.string() else pl.Int64 for field in schema}
    return pl.DataFrame(rows, schema=kinds).to_arrow().cast(schema)
