"""Which tokens of a stay an epoch of the confidence stage reads."""

import torch

from medpatch.feature.ragged import Ragged
from medpatch.train.token_draw import TokenDraw

LENGTHS = torch.tensor([3, 0, 10, 4, 1000])
START = torch.cat([torch.zeros(1, dtype=torch.int64), LENGTHS.cumsum(0)])
TOKENS = Ragged(torch.arange(int(START[-1])), START)


def test_short_stays_give_all_rows_and_long_ones_one_row_of_each_piece():
    index = torch.tensor([2, 0, 1, 3])
    # the ten rows of stay 2 in pieces from 0, 2, 5 and 7: 0 + 0, 2 + 1, 5 + 1, 7 + 2
    place = torch.tensor([[0.0, 0.5, 0.96, 0.96], [0.9] * 4, [0.9] * 4, [0.9] * 4])
    row, owner = TOKENS.drawn(index, place)
    assert row.tolist() == [3, 6, 9, 12, 0, 1, 2, 13, 14, 15, 16]
    assert owner.tolist() == [0, 0, 0, 0, 1, 1, 1, 3, 3, 3, 3]


def test_a_draw_is_of_real_rows_of_the_stay_and_never_takes_one_twice():
    place = torch.rand(200, 64, generator=torch.Generator().manual_seed(1))
    place[:, -1] = 1 - 2**-24  # the largest number below one
    row, owner = TOKENS.drawn(torch.full((200,), 4), place)
    for stay in range(200):
        mine = row[owner == stay]
        assert len(mine.unique()) == 64
        assert int(mine.min()) >= 17
        assert int(mine.max()) <= 1016


def test_over_many_epochs_every_row_is_read_about_equally_often():
    draw = TokenDraw(5, 8, seed=3)
    count = torch.zeros(1000)
    for epoch in range(2000):
        draw.batches(epoch, batch_size=2)
        row, _ = TOKENS.drawn(torch.tensor([4]), draw.place[[4]])
        count[row - 17] += 1
    assert float(count.min()) > 0  # 16 times on average
    assert abs(float(count[:500].sum()) / float(count.sum()) - 0.5) < 0.01


def test_an_epoch_draws_the_same_whenever_it_is_asked_and_another_one_something_else():
    first, second = TokenDraw(5, 8, seed=3), TokenDraw(5, 8, seed=3)
    order = [batch.tolist() for batch in first.batches(7, batch_size=2)]
    second.batches(6, batch_size=2)
    other = second.place
    assert [batch.tolist() for batch in second.batches(7, batch_size=2)] == order
    torch.testing.assert_close(first.place, second.place, rtol=0, atol=0)
    assert not torch.equal(first.place, other)
    assert sorted(stay for batch in order for stay in batch) == list(range(5))
