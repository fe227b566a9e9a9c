"""The prediction table: one row per model, stay and label."""

import pyarrow as pa

PREDICTION_SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("split", pa.string()),
        ("subject_id", pa.int64()),
        ("stay_id", pa.int64()),
        ("label_name", pa.string()),
        ("label", pa.int8()),
        ("logit", pa.float64()),
        ("probability", pa.float64()),
        ("is_available", pa.bool_()),
    ]
)
"""`model` is "medpatch" (the head that is reported), "medpatch_high", "medpatch_low", "medpatch_late" (where it is
not the reported one), "medpatch_without_<modality>", "unimodal_<modality>", "late", or the name of a rival.

`is_available` is False where a unimodal model has no input for the stay; its probability is then the train
prevalence, so that every model can be judged on every stay as well as on its own.
"""

ORACLE_SCHEMA = pa.schema(
    [
        ("stay_id", pa.int64()),
        ("task", pa.string()),
        ("label_name", pa.string()),
        ("modality_set", pa.string()),
        ("probability", pa.float64()),
    ]
)
"""OUT/oracle/*.parquet of a made-up tree. `modality_set` joins names with "+", canonical order: "ehr+cxr+rr"."""
