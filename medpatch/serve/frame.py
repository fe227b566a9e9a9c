"""Rows that a client sends, shaped like the rows of a shard, and back."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from medpatch.config.error import ContractError
from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_CHANNELS, EHR_VALUE_COLUMNS, StayRecord

COLUMNS = {
    Modality.EHR: ("ehr", "ehr_observed"),
    Modality.CXR: ("cxr",),
    Modality.RR: ("rr",),
    Modality.DN: ("dn",),
}
"""Modality -> columns of a row; each may be absent or null, which means that the stay lacks the modality."""


def to_records(frame: pd.DataFrame, *, label_count: int, image_size_px: int) -> list[StayRecord]:
    """One StayRecord per row; its number is its stay_id, its labels are zero and mean nothing.

    Args:
        frame: columns as in contract/tensor.py: ehr (T, 59), already imputed and scaled; ehr_observed (T, 17);
            cxr, H * H grey bytes as base64 text; rr and dn, chunks of token ids. Lists, as JSON gives them.
        label_count: K.
        image_size_px: H.

    Raises:
        ContractError: a value has another shape; the row's number and the column are named, never a value.
    """
    label = np.zeros(label_count, dtype=np.int8)
    return [
        StayRecord(
            stay_id=number,
            subject_id=number,
            label=label,
            ehr=_matrix(row, "ehr", number=number, width=EHR_VALUE_COLUMNS, dtype=np.float32),
            ehr_observed=_matrix(row, "ehr_observed", number=number, width=EHR_CHANNELS, dtype=bool),
            cxr=_image(row, number, side=image_size_px),
            rr=_chunks(row, "rr", number=number),
            dn=_chunks(row, "dn", number=number),
        )
        for number, row in enumerate(frame.to_dict("records"))
    ]


def example(modalities: Sequence[Modality], *, image_size_px: int) -> pd.DataFrame:
    """Two made-up rows that say nothing about anybody: zeros, a grey image, the first token ids."""
    steps, chunk = 4, [1, 2, 3]
    row: dict[str, Any] = {
        "ehr": np.zeros((steps, EHR_VALUE_COLUMNS)).tolist(),
        "ehr_observed": np.ones((steps, EHR_CHANNELS), dtype=bool).tolist(),
        "cxr": base64.b64encode(bytes([128]) * image_size_px**2).decode(),
        "rr": [chunk],
        "dn": [chunk],
    }
    wanted = [name for m in modalities for name in COLUMNS[m]]
    return pd.DataFrame([{name: row[name] for name in wanted}] * 2)


def _is_null(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _matrix(row: dict[str, Any], name: str, *, number: int, width: int, dtype: type) -> np.ndarray | None:
    value = row.get(name)
    if _is_null(value):
        return None
    try:
        found = np.array([list(step) for step in value], dtype=dtype)
    except (TypeError, ValueError) as error:
        raise ContractError(f"row {number}: column {name} is not a list of lists of {width} numbers") from error
    if found.ndim != 2 or found.shape[1] != width or not len(found):
        raise ContractError(f"row {number}: column {name} has shape {found.shape}, expected (T, {width}) with T > 0")
    return found


def _image(row: dict[str, Any], number: int, *, side: int) -> np.ndarray | None:
    value = row.get("cxr")
    if _is_null(value):
        return None
    try:
        pixels = base64.b64decode(value, validate=True)
    except (TypeError, ValueError) as error:
        raise ContractError(f"row {number}: column cxr is not base64 text of grey bytes") from error
    if len(pixels) != side * side:
        raise ContractError(
            f"row {number}: column cxr holds {len(pixels)} bytes, expected {side * side} ({side} x {side}, grey)"
        )
    return np.frombuffer(pixels, dtype=np.uint8).reshape(side, side)


def _chunks(row: dict[str, Any], name: str, *, number: int) -> list[np.ndarray] | None:
    value = row.get(name)
    if _is_null(value):
        return None
    try:
        found = [np.asarray(list(chunk), dtype=np.int32) for chunk in value]
    except (TypeError, ValueError) as error:
        raise ContractError(f"row {number}: column {name} is not a list of lists of token ids") from error
    if not found or any(chunk.ndim != 1 or not len(chunk) for chunk in found):
        raise ContractError(f"row {number}: column {name} has an empty chunk or none; leave it null instead")
    return found
