"""Shards back to records."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.conftest import HOURS, SPLIT, WITH_CXR, WITH_RR
from medpatch.config.error import ContractError
from medpatch.config.name import Modality, Split
from medpatch.data.dataset import ShardDataset
from medpatch.data.shard import read_shard
from medpatch.data.spec import tensor_spec

EHR, CXR, RR, DN = Modality


@pytest.mark.parametrize("split", Split)
def test_records_are_the_rows_of_the_shards(tensor_dir: Path, split: Split) -> None:
    dataset = ShardDataset(tensor_dir, split, modalities=tuple(Modality))
    rows = [row for f in sorted(tensor_dir.glob(f"{split}-*")) for row in pq.read_table(f).to_pylist()]
    assert len(dataset) == len(rows) == sum(name == split for name in SPLIT.values())
    for i, row in enumerate(rows):
        record = dataset[i]
        assert (record.stay_id, record.subject_id) == (row["stay_id"], row["subject_id"])
        assert record.label.tolist() == row["label"]
        np.testing.assert_array_equal(record.ehr.ravel(), np.frombuffer(row["ehr"], dtype=np.float32))
        assert record.ehr_observed.tobytes() == row["ehr_observed"]
        assert (None if record.cxr is None else record.cxr.tobytes()) == row["cxr"]
        assert (None if record.rr is None else [chunk.tolist() for chunk in record.rr]) == row["rr"]
        assert record.dn is None


def test_shapes_and_presence_are_those_of_the_stay(tensor_dir: Path) -> None:
    dataset = ShardDataset(tensor_dir, Split.TRAIN)
    assert dataset.modalities == (EHR, CXR, RR)
    for i, stay_id in enumerate(dataset.stay_id.tolist()):
        record = dataset[i]
        assert record.ehr.shape == (HOURS[stay_id], 59)
        assert record.ehr_observed.dtype == bool
        assert dataset.steps[i] == HOURS[stay_id]
        assert dataset.presence[i].tolist() == [True, stay_id in WITH_CXR, stay_id in WITH_RR]
        if stay_id in WITH_CXR:
            assert record.cxr.shape == (8, 8)
            assert int(record.cxr.mean()) == 5 * stay_id
        if stay_id in WITH_RR:
            assert sum(len(chunk) - 2 for chunk in record.rr[-4:]) <= stay_id + 1


def test_what_was_not_asked_for_is_none(tensor_dir: Path) -> None:
    record = ShardDataset(tensor_dir, Split.TRAIN, modalities=[RR])[0]
    assert record.ehr is record.ehr_observed is record.cxr is record.dn is None
    assert record.rr is not None


def test_required_modalities_leave_out_the_stays_without(tensor_dir: Path) -> None:
    dataset = ShardDataset(tensor_dir, Split.TRAIN, modalities=[CXR], required=[CXR, RR])
    expected = [s for s in WITH_CXR if s in WITH_RR and SPLIT[s] == "train"]
    assert dataset.stay_id.tolist() == expected
    assert [dataset[i].stay_id for i in range(len(dataset))] == expected
    assert dataset.presence.all()


def test_labels_can_be_read_alone(tensor_dir: Path) -> None:
    dataset = ShardDataset(tensor_dir, Split.TRAIN, required=[RR])
    np.testing.assert_array_equal(dataset.label(), [dataset[i].label for i in range(len(dataset))])


def test_a_limit_on_resident_shards_changes_no_record(tensor_dir: Path) -> None:
    free, tight = (ShardDataset(tensor_dir, Split.TRAIN, resident_shards=n) for n in (None, 1))
    for i in np.random.default_rng(0).permutation(len(free)):
        np.testing.assert_array_equal(free[i].ehr, tight[i].ehr)
    assert len(tight._resident) == 1


def test_opening_a_split_reads_no_shard(tensor_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(
        "medpatch.data.dataset.read_shard", lambda file, m: read.append(file.name) or read_shard(file, m)
    )
    dataset = ShardDataset(tensor_dir, Split.TRAIN)
    assert read == []
    dataset[0], dataset[1]
    assert read == ["train-00000.parquet"]


def test_the_spec_says_what_a_model_needs(tensor_dir: Path) -> None:
    spec = tensor_spec(tensor_dir)
    assert spec.aligned == (EHR, CXR, RR, DN)
    assert spec.modalities == (EHR, CXR, RR)
    assert spec.label_count == 25
    assert spec.image_size_px == 8
    assert spec.note_chunk_tokens == 12
    assert spec.vocabulary_size == 5
    assert spec.pad_id == 0
    assert spec.stay_count == {"train": 32, "val": 4, "test": 4}
    assert spec.presence_count[Split.TRAIN][CXR] == sum(SPLIT[s] == "train" for s in WITH_CXR)
    assert spec.prevalence == (4 / 32,) * 25


def copy(tensor_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(tensor_dir, tmp_path / "tensor")
    return tmp_path / "tensor"


def test_an_unfinished_folder_is_refused(tensor_dir: Path, tmp_path: Path) -> None:
    folder = copy(tensor_dir, tmp_path)
    (folder / "artifact.json").unlink()
    with pytest.raises(ContractError, match="not a finished folder"):
        ShardDataset(folder, Split.TRAIN)
    with pytest.raises(ContractError, match="not a finished folder"):
        tensor_spec(folder)


@pytest.mark.parametrize("name", ["spec.json", "manifest.parquet"])
def test_a_damaged_description_is_refused_by_file(tensor_dir: Path, tmp_path: Path, name: str) -> None:
    folder = copy(tensor_dir, tmp_path)
    (folder / name).write_text("{}")
    with pytest.raises(ContractError, match=name):
        ShardDataset(folder, Split.TRAIN)


def test_a_damaged_shard_is_refused_by_file(tensor_dir: Path, tmp_path: Path) -> None:
    folder = copy(tensor_dir, tmp_path)
    (folder / "train-00001.parquet").write_bytes(b"PAR1")
    dataset = ShardDataset(folder, Split.TRAIN)
    assert dataset[0].stay_id == 0
    with pytest.raises(ContractError, match=r"train-00001\.parquet: not a readable shard"):
        dataset[len(dataset) - 20]


def test_a_shard_of_another_shape_is_refused(tensor_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    table = pq.read_table(tensor_dir / "train-00000.parquet")
    pq.write_table(table.set_column(0, "stay_id", table["stay_id"].cast(pa.float64())), file)
    with pytest.raises(ContractError, match="column 'stay_id' is not as"):
        read_shard(file, [EHR])


def test_a_modality_that_was_not_aligned_is_refused(tensor_dir: Path, tmp_path: Path) -> None:
    folder = copy(tensor_dir, tmp_path)
    spec = (folder / "spec.json").read_text()
    (folder / "spec.json").write_text(spec.replace('  "dn"\n', "").replace('"rr",\n ],', '"rr"\n ],'))
    spec_text = (folder / "spec.json").read_text()
    assert spec_text != spec
    with pytest.raises(ContractError, match=r"\['dn'\] was not aligned"):
        ShardDataset(folder, Split.TRAIN, modalities=[EHR, DN])


def test_an_empty_selection_is_refused(tensor_dir: Path) -> None:
    with pytest.raises(ContractError, match="the train split has no stay with dn"):
        ShardDataset(tensor_dir, Split.TRAIN, required=[DN])
