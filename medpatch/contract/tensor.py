"""One Parquet row per stay: the shard schema, its flat manifest, and the record Python passes around."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

EHR_VALUE_COLUMNS = 59
"""Numeric and one-hot columns of the 17 channels, in the published order."""
EHR_CHANNELS = 17
"""Channels with an observed mask; value columns + masks = the 76 columns of the published input."""
EHR_COLUMNS = EHR_VALUE_COLUMNS + EHR_CHANNELS
EHR_LAYOUT = "a378bfa691fa"
"""Digest of the names of the 76 columns in order: a network trained on one order must not read another.

The names themselves are made of `sql/seed/ehr_variable.csv`, which is not where a network is served.
"""

STAY_SCHEMA = pa.schema(
    [
        ("stay_id", pa.int64()),
        ("subject_id", pa.int64()),
        ("label", pa.list_(pa.int8())),  # (K,)
        ("ehr", pa.binary()),  # T*59 float32, little-endian, step by step, imputed and scaled; null = absent
        ("ehr_observed", pa.binary()),  # T*17 bytes of 0 and 1, 1 where measured
        ("cxr", pa.binary()),  # H*W bytes, grey uint8, row by row; null = absent
        ("cxr_size_px", pa.int32()),  # H = W
        (
            "rr",
            pa.list_(pa.list_(pa.int32())),
        ),  # chunks of input ids, each with [CLS] and [SEP]; null = absent
        ("dn", pa.list_(pa.list_(pa.int32()))),
    ]
)

EHR_TYPE = "<f4"
"""numpy type of a value of `ehr`. Plain bytes decode five times faster than nested lists, and as compactly."""

MANIFEST_SCHEMA = pa.schema(
    [
        ("stay_id", pa.int64()),
        ("subject_id", pa.int64()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int64()),
        ("window_hours", pa.float64()),
        ("has_ehr", pa.bool_()),
        ("has_cxr", pa.bool_()),
        ("has_rr", pa.bool_()),
        ("has_dn", pa.bool_()),
        ("ehr_steps", pa.int64()),
        ("ehr_min", pa.float64()),
        ("ehr_max", pa.float64()),
        ("ehr_observed_share", pa.float64()),
        ("ehr_one_hot_sum_min", pa.float64()),
        ("ehr_one_hot_sum_max", pa.float64()),
        ("cxr_size_px", pa.int64()),
        ("cxr_mean", pa.float64()),
        ("rr_tokens", pa.int64()),
        ("dn_tokens", pa.int64()),
        ("label_count", pa.int64()),
        ("label_sum", pa.int64()),
    ]
)
"""One flat row per stay, made while the shards are written; what the tensor gate reads.

Lengths are 0 and statistics null where the modality is absent. The one-hot sums are the smallest and
largest, over time steps, of the number of lit one-hot columns (5 when every categorical channel has one).
"""

MANIFEST = "manifest.parquet"
MADE_FROM = "made_from.arrow"
"""Per stay, its shard and row, and a key of what its image and notes were made from; null where absent."""
SCALER = "scaler.json"
SPEC = "spec.json"
"""What the model builder must know: modalities, label names, sizes, counts, train prevalence."""
ALIGN_REPORT = "align_report.json"
TOKENIZER_DIR = "tokenizer"


def shard_name(split: str, number: int) -> str:
    """File name of a shard inside the tensor folder."""
    return f"{split}-{number:05d}.parquet"


@dataclass(frozen=True)
class StayRecord:
    """One stay as arrays; an absent modality is None, never zeros.

    Attributes:
        stay_id: MIMIC stay_id.
        subject_id: MIMIC subject_id.
        label: (K,) int8.
        ehr: (T, 59) float32 or None.
        ehr_observed: (T, 17) bool or None.
        cxr: (H, W) uint8 or None.
        rr: chunks of input ids, each (n,) int32, or None.
        dn: chunks of input ids, each (n,) int32, or None.
    """

    stay_id: int
    subject_id: int
    label: np.ndarray
    ehr: np.ndarray | None
    ehr_observed: np.ndarray | None
    cxr: np.ndarray | None
    rr: list[np.ndarray] | None
    dn: list[np.ndarray] | None
