"""A test split that is too small to call a winner says so."""

import numpy as np
import pytest

from medpatch.evaluate.few import few_events_in_words, has_few_events


@pytest.mark.parametrize(("positive", "stays", "is_few"), [(19, 400, True), (20, 400, False), (390, 400, True)])
def test_rarer_class_of_a_single_label_decides(positive: int, stays: int, is_few: bool) -> None:
    label = (np.arange(stays) < positive).astype(np.int8)[:, None]
    assert has_few_events(label) is is_few
    assert bool(few_events_in_words(label)) is is_few


def test_middle_label_decides_where_there_are_several() -> None:
    label = np.zeros((200, 3), np.int8)
    for column, positive in enumerate((5, 30, 60)):
        label[:positive, column] = 1
    assert not has_few_events(label)
    label[10:, 1] = 0
    (words,) = few_events_in_words(label)
    assert "half of the labels" in words
    assert "10" not in words, "the number itself may be one that is hidden"
