"""Which tokens temperatures and thresholds are fitted on."""

import pytest
import torch

from medpatch.train import token_logit
from medpatch.train.token_logit import MOST_TOKENS_READ, thinned


@pytest.mark.parametrize("count", [0, 1, MOST_TOKENS_READ, MOST_TOKENS_READ + 1, 3 * MOST_TOKENS_READ + 7])
def test_thinned_places_are_distinct_ascending_and_as_many_as_may_be_read(count: int) -> None:
    place = thinned(count)
    assert len(place) == min(count, MOST_TOKENS_READ)
    assert (place.diff() > 0).all()
    assert not len(place) or (place.min() >= 0 and place.max() < count)
    torch.testing.assert_close(thinned(count), place)


def test_every_position_of_stays_of_one_length_is_read_equally_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_logit, "MOST_TOKENS_READ", 20_000)
    length = 65
    often = torch.bincount(thinned(13_000 // 10 * length) % length, minlength=length)
    assert often.min() > 0.75 * often.max()
