"""Records of differing length to one padded batch."""

import numpy as np
import pytest
import torch

from medpatch.config.name import Modality
from medpatch.contract.tensor import StayRecord
from medpatch.data.collate import collate

EHR, CXR, RR, DN = Modality


def record(
    stay_id: int, *, steps: int = 0, side: int = 0, rr: list[list[int]] | None = None, label: int = 0
) -> StayRecord:
    random = np.random.default_rng(stay_id)
    return StayRecord(
        stay_id=stay_id,
        subject_id=stay_id * 10,
        label=np.array([label, 1], dtype=np.int8),
        ehr=random.normal(size=(steps, 59)).astype(np.float32) if steps else None,
        ehr_observed=random.random((steps, 17)) < 0.5 if steps else None,
        cxr=random.integers(1, 256, (side, side), dtype=np.uint8) if side else None,
        rr=None if rr is None else [np.array(chunk, dtype=np.int32) for chunk in rr],
        dn=None,
    )


def test_ehr_columns_are_values_then_masks_and_padding_is_zero_and_unreal() -> None:
    records = [record(1, steps=2), record(2, steps=5)]
    batch = collate(records, [EHR])
    assert batch.value[EHR].shape == (2, 5, 76)
    assert batch.value[EHR].dtype == torch.float32
    np.testing.assert_array_equal(batch.value[EHR][0, :2, :59], records[0].ehr)
    np.testing.assert_array_equal(batch.value[EHR][1, :, 59:], records[1].ehr_observed.astype(np.float32))
    assert batch.value[EHR][0, 2:].abs().sum() == 0
    assert batch.mask[EHR].tolist() == [[True, True, False, False, False], [True] * 5]


def test_notes_are_padded_in_chunks_and_in_ids() -> None:
    batch = collate([record(1, rr=[[2, 7, 3]]), record(2, rr=[[2, 8, 9, 3], [2, 3]])], [RR])
    assert batch.value[RR].dtype == torch.int64
    assert batch.value[RR].tolist() == [[[2, 7, 3, 0], [0] * 4], [[2, 8, 9, 3], [2, 3, 0, 0]]]
    t, f = True, False
    assert batch.mask[RR].tolist() == [[[t, t, t, f], [f] * 4], [[t] * 4, [t, t, f, f]]]


def test_an_absent_modality_has_no_presence_no_real_position_and_zero_content() -> None:
    batch = collate([record(1, steps=3, side=4, rr=[[2, 3]]), record(2)], [EHR, CXR, RR, DN])
    assert batch.presence.tolist() == [[True, True, True, False], [False] * 4]
    assert batch.mask[CXR].tolist() == [True, False]
    for modality in (EHR, CXR, RR, DN):
        assert not batch.mask[modality][1].any()
        assert not batch.value[modality][1].any()


def test_a_modality_that_no_stay_of_the_batch_has_keeps_its_axes() -> None:
    batch = collate([record(1), record(2), record(3)], [EHR, CXR, RR], image_size_px=8)
    assert batch.value[EHR].shape == (3, 1, 76)
    assert batch.value[CXR].shape == (3, 8, 8)
    assert batch.value[RR].shape == (3, 1, 1)
    assert not batch.presence.any()


def test_a_batch_of_one_keeps_its_axes() -> None:
    batch = collate([record(7, steps=1, side=2, rr=[[2, 3]], label=1)], [EHR, CXR, RR])
    assert batch.value[EHR].shape == (1, 1, 76)
    assert batch.value[CXR].shape == (1, 2, 2)
    assert batch.value[RR].shape == (1, 1, 2)
    assert batch.label.tolist() == [[1.0, 1.0]]
    assert batch.presence.shape == (1, 3)


def test_identifiers_stay_whole_numbers_beyond_float_precision() -> None:
    batch = collate([record(29_079_035)], [EHR])
    assert batch.stay_id.dtype == batch.subject_id.dtype == torch.int64
    assert batch.stay_id.tolist() == [29_079_035]
    assert batch.subject_id.tolist() == [290_790_350]


def test_batch_mates_change_nothing_but_the_padding() -> None:
    one = record(1, steps=2, rr=[[2, 5, 3]])
    alone, beside = collate([one], [EHR, RR]), collate([one, record(2, steps=9, rr=[[2, 3]] * 4)], [EHR, RR])
    torch.testing.assert_close(beside.value[EHR][0][beside.mask[EHR][0]], alone.value[EHR][0])
    assert beside.value[RR][0][beside.mask[RR][0]].tolist() == [2, 5, 3]


def test_writing_into_a_batch_leaves_the_records_alone() -> None:
    one = record(1, steps=2, side=2)
    before = one.ehr.copy()
    batch = collate([one], [EHR, CXR])
    batch.value[EHR].zero_()
    np.testing.assert_array_equal(one.ehr, before)


def test_no_record_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one stay"):
        collate([], [EHR])


def test_images_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images of \[2, 4\] px"):
        collate([record(1, side=2), record(2, side=4)], [CXR])
