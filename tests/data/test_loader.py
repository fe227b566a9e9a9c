"""Order and content of the batches of an epoch."""

from pathlib import Path

import pytest
import torch

from data.conftest import SPLIT
from medpatch.config.name import Modality, Split
from medpatch.data.dataset import ShardDataset
from medpatch.data.loader import Loader, make_loader

TRAIN = [s for s in SPLIT if SPLIT[s] == "train"]


def stay_ids(loader: Loader) -> list[int]:
    return [stay_id for batch in loader for stay_id in batch.stay_id.tolist()]


def train_loader(tensor_dir: Path, *, seed: int = 0, shuffle: bool = True, resident: int | None = None) -> Loader:
    dataset = ShardDataset(tensor_dir, Split.TRAIN, resident_shards=resident)
    return make_loader(dataset, batch_size=5, shuffle=shuffle, seed=seed)


def test_an_epoch_brings_every_stay_once(tensor_dir: Path) -> None:
    loader = train_loader(tensor_dir)
    sizes = [len(batch.stay_id) for batch in loader]
    assert sizes == [5] * 6 + [2]
    assert len(loader) == 7
    assert sorted(stay_ids(loader)) == TRAIN


def test_without_shuffling_the_order_is_that_of_stay_id(tensor_dir: Path) -> None:
    assert stay_ids(train_loader(tensor_dir, shuffle=False)) == TRAIN


@pytest.mark.parametrize("resident", [None, 2])
def test_the_order_depends_on_seed_and_epoch_alone(tensor_dir: Path, resident: int | None) -> None:
    loader = train_loader(tensor_dir, resident=resident)
    first = stay_ids(loader)
    assert stay_ids(loader) == first
    loader.set_epoch(1)
    second = stay_ids(loader)
    assert second != first
    again = train_loader(tensor_dir, resident=resident)
    again.set_epoch(1)
    assert stay_ids(again) == second
    assert stay_ids(train_loader(tensor_dir, seed=1, resident=resident)) != first
    assert sorted(second) == sorted(first) == TRAIN


def test_with_few_resident_shards_each_shard_is_decoded_about_once_per_epoch(
    tensor_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medpatch.data.shard import read_shard

    read: list[str] = []
    monkeypatch.setattr(
        "medpatch.data.dataset.read_shard", lambda file, m: read.append(file.name) or read_shard(file, m)
    )
    stay_ids(train_loader(tensor_dir, resident=2))
    assert len(set(read)) == 5
    assert len(read) <= 8


def test_a_batch_carries_the_tensors_of_its_stays(tensor_dir: Path) -> None:
    dataset = ShardDataset(tensor_dir, Split.VAL)
    (batch,) = make_loader(dataset, batch_size=16, shuffle=False, seed=0)
    assert batch.modalities == (Modality.EHR, Modality.CXR, Modality.RR)
    for b in range(len(dataset)):
        real = batch.mask[Modality.EHR][b]
        record = dataset[b]
        torch.testing.assert_close(batch.value[Modality.EHR][b, real, :59], torch.tensor(record.ehr))
        assert int(real.sum()) == len(record.ehr)
        assert batch.presence[b].tolist() == dataset.presence[b].tolist()


def test_a_batch_size_below_one_is_refused(tensor_dir: Path) -> None:
    with pytest.raises(ValueError, match="batch_size: 0"):
        make_loader(ShardDataset(tensor_dir, Split.VAL), batch_size=0, shuffle=False, seed=0)
