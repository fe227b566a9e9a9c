"""What is collected once comes back as it went in."""

import pytest
import torch
from train.cohort import CHUNK, make_cohort, pick

from medpatch.config.name import Modality
from medpatch.feature.augment import random_view
from medpatch.feature.batching import in_order, shuffled
from medpatch.feature.column import ColumnWriter, open_column
from medpatch.feature.ragged import RaggedWriter, collect_inputs, open_ragged
from medpatch.train.auroc import macro_auroc


@pytest.mark.parametrize("modality", list(Modality))
def test_inputs_come_back_without_padding_for_present_stays_alone(tmp_path, modality):
    cohort = make_cohort(23, seed=3)
    parts = (pick(cohort, index) for index in torch.arange(23).split(5))
    inputs = collect_inputs(parts, modality, path=tmp_path / "rows", chunk_tokens=CHUNK + 4)
    here = cohort.presence[:, list(Modality).index(modality)].nonzero().flatten()
    assert torch.equal(inputs.subject_id, cohort.subject_id[here])
    order = torch.randperm(len(here), generator=torch.Generator().manual_seed(0))[:4]
    value, mask = inputs.take(order)
    for row, stay in enumerate(here[order].tolist()):
        wanted = cohort.value[modality][stay][cohort.mask[modality][stay]]
        assert torch.equal(value[row][mask[row]], wanted)
    assert torch.equal(inputs.label[order], cohort.label[here[order]])


def test_flat_rows_are_the_real_rows_with_their_owner(tmp_path):
    cohort = make_cohort(9, seed=3)
    inputs = collect_inputs([cohort], Modality.EHR, path=tmp_path / "rows", chunk_tokens=CHUNK)
    index = torch.tensor([4, 0, 7])
    row, owner = inputs.rows.flat(index)
    value, mask = inputs.rows.take(index)
    assert torch.equal(row, value[mask])
    assert torch.equal(owner.bincount(), mask.sum(dim=1))


def test_the_first_stays_alone_keep_their_rows(tmp_path):
    writer = RaggedWriter(tmp_path / "rows")
    writer.append(torch.arange(12.0).view(3, 4, 1), torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]).bool())
    writer.close()
    ragged = open_ragged(tmp_path / "rows")
    assert ragged.length.tolist() == [2, 1, 4]
    assert ragged.first(2).row.flatten().tolist() == [0.0, 1.0, 4.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.bool, torch.int64])
def test_column_of_any_type_comes_back_and_is_not_changed_through_the_tensor(tmp_path, dtype):
    rows = torch.tensor([[0.0, 1.0], [2.5, -3.0], [1.0, 0.0]]).to(dtype)
    writer = ColumnWriter(tmp_path / "rows", dtype=dtype)
    writer.append(rows[:2])
    writer.append(rows[2:])
    writer.close()
    found = open_column(tmp_path / "rows")
    assert torch.equal(found, rows)
    found[0] = 1
    assert torch.equal(open_column(tmp_path / "rows"), rows)


def test_column_without_a_row_is_empty(tmp_path):
    ColumnWriter(tmp_path / "rows").close()
    assert len(open_column(tmp_path / "rows")) == 0


def test_rows_of_another_shape_are_refused(tmp_path):
    writer = ColumnWriter(tmp_path / "rows")
    writer.append(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="every batch must have the same"):
        writer.append(torch.zeros(2, 4))


def test_one_file_has_one_writer(tmp_path):
    ColumnWriter(tmp_path / "rows")
    with pytest.raises(FileExistsError):
        ColumnWriter(tmp_path / "rows")


def test_every_stay_is_in_one_batch_and_the_order_depends_on_the_seed():
    length = torch.randint(1, 50, (103,), generator=torch.Generator().manual_seed(0))
    first = torch.cat(list(shuffled(length, batch_size=8, seed=1)))
    again = torch.cat(list(shuffled(length, batch_size=8, seed=1)))
    other = torch.cat(list(shuffled(length, batch_size=8, seed=2)))
    assert first.sort().values.tolist() == list(range(103))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert sorted(torch.cat(list(in_order(length, batch_size=8))).tolist()) == list(range(103))


def test_batches_hold_stays_of_like_length():
    length = torch.arange(64).repeat(4)
    spread = [int(length[index].max() - length[index].min()) for index in shuffled(length, batch_size=32, seed=0)]
    assert max(spread) <= 10


def test_auroc_counts_ties_half_and_skips_labels_with_one_class():
    score = torch.tensor([[0.1, 5.0], [0.4, 6.0], [0.4, 7.0], [0.8, 8.0]])
    label = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    # pairs: (0.4, 0.1) 1, (0.4, 0.4) one half, (0.8, 0.1) 1, (0.8, 0.4) 1
    assert macro_auroc(score, label) == (pytest.approx(3.5 / 4), 1)


def test_random_view_moves_an_image_within_its_frame_and_repeats_by_seed():
    image = torch.zeros(6, 32, 32, dtype=torch.uint8)
    image[:, 12:20, 12:20] = 200
    view = random_view(image, torch.Generator().manual_seed(0))
    again = random_view(image, torch.Generator().manual_seed(0))
    assert view.dtype == torch.uint8
    assert torch.equal(view, again)
    assert not torch.equal(view[0], view[1])
    mass = view.float().sum(dim=(1, 2)) / image.float().sum(dim=(1, 2))
    assert ((mass > 0.85**2 * 0.9) & (mass < 1.15**2 * 1.1)).all()
