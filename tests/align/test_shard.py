"""Warehouse to tensor folder, end to end on a few stays."""

import json
import logging
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from align.warehouse import (
    EVENTS,
    HEART_RATE,
    STAYS,
    align,
    tiny_config,
    write_image,
    write_warehouse,
)
from medpatch.align.channel import read_channels
from medpatch.align.scaler import load_scaler
from medpatch.align.shard import write_shards
from medpatch.align.tokenizer import load_tokenizer
from medpatch.config.modality import Scaling
from medpatch.config.name import Modality, Task
from medpatch.contract.artifact import fingerprint
from medpatch.contract.tensor import EHR_TYPE, MANIFEST_SCHEMA, STAY_SCHEMA

EHR, CXR, RR, DN = Modality
HEART = read_channels().numeric_column[read_channels().numeric_names.index(HEART_RATE)]


def read_all(tmp_path: Path, name: str = "tensor") -> dict[int, dict]:
    rows = [row for f in sorted((tmp_path / name).glob("*-0*.parquet")) for row in pq.read_table(f).to_pylist()]
    return {row["stay_id"]: row | {"ehr": as_grid(row["ehr"])} for row in rows}


def as_grid(content: bytes | None) -> np.ndarray | None:
    return None if content is None else np.frombuffer(content, dtype=EHR_TYPE).reshape(-1, 59)


def test_shards_hold_each_stay_once_by_split_and_in_order_and_the_manifest_agrees(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "mart", STAYS, events=EVENTS, positive=[7])
    report = align(tmp_path, tiny_config(EHR, shard_stays=2))
    assert dict(report.stay_count) == {"train": 3, "val": 1, "test": 1}
    manifest = pl.read_parquet(tmp_path / "tensor" / "manifest.parquet")
    assert manifest.select("stay_id", "shard", "row").rows() == [
        (9, "test-00000.parquet", 0),
        (3, "train-00000.parquet", 0),
        (7, "train-00000.parquet", 1),
        (11, "train-00001.parquet", 0),
        (5, "val-00000.parquet", 0),
    ]
    for stay_id, shard, row, label_sum in manifest.select("stay_id", "shard", "row", "label_sum").rows():
        table = pq.read_table(tmp_path / "tensor" / shard)
        assert table.schema.equals(STAY_SCHEMA)
        assert table["stay_id"][row].as_py() == stay_id
        assert table["label"][row].as_py() == [label_sum] == [int(stay_id == 7)]
    assert pq.read_schema(tmp_path / "tensor" / "manifest.parquet").equals(MANIFEST_SCHEMA)


def test_many_stays_over_several_chunks_and_shards_arrive_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medpatch.align.source.CHUNK_STAYS", 7)
    stays = {s: ("train", "val", "train", "test")[s % 4] for s in range(50)}
    write_warehouse(tmp_path / "mart", stays, events=[(s, 1.5, HEART_RATE, 50.0 + s) for s in stays])
    seen: list[tuple[int, int]] = []
    config = tiny_config(EHR, shard_stays=10, scaling=Scaling.PUBLISHED)
    write_shards(
        tmp_path / "mart",
        None,
        config=config,
        out_dir=tmp_path / "tensor",
        inputs="",
        progress=lambda *x: seen.append(x),
    )
    train = [pq.read_table(f)["stay_id"].to_pylist() for f in sorted((tmp_path / "tensor").glob("train-*"))]
    assert [len(shard) for shard in train] == [10, 10, 5]
    assert [stay_id for shard in train for stay_id in shard] == [s for s in stays if s % 2 == 0]
    assert seen[-1] == (50, 50)
    std = load_scaler(tmp_path / "tensor" / "scaler.json").std[3]
    ehr = {s: row["ehr"] for s, row in read_all(tmp_path).items()}
    for stay_id in stays:
        rise = ehr[stay_id][1, HEART] - ehr[0][1, HEART]
        assert rise == pytest.approx(stay_id / std, abs=1e-6)


def test_an_absent_modality_is_null_and_never_zeros(tmp_path: Path) -> None:
    write_image(tmp_path / "cxr" / "a.jpg", 80)
    write_warehouse(
        tmp_path / "mart", STAYS, events=[EVENTS[0]], images={3: "a.jpg"}, rr=[(7, 0, "clear lungs"), (9, 0, " ")]
    )
    report = align(tmp_path, tiny_config(EHR, CXR, RR), cxr_dir=tmp_path / "cxr")
    rows = read_all(tmp_path)
    assert {s for s, row in rows.items() if row["ehr"] is not None} == {11}
    assert {s for s, row in rows.items() if row["ehr_observed"] is not None} == {11}
    assert {s for s, row in rows.items() if row["cxr"] is not None} == {3}
    assert {s for s, row in rows.items() if row["rr"] is not None} == {7}
    assert all(row["dn"] is None for row in rows.values())
    assert rows[3]["cxr_size_px"] == 64
    assert len(rows[3]["cxr"]) == 64 * 64
    assert report.presence_count["train"] == {"ehr": 1, "cxr": 1, "rr": 1}
    assert report.stays_without_input == 2
    manifest = pl.read_parquet(tmp_path / "tensor" / "manifest.parquet").sort("stay_id")
    assert manifest["ehr_steps"].to_list() == [0, 0, 0, 0, 48]
    assert manifest["ehr_min"].null_count() == 4
    assert manifest["cxr_mean"].to_list()[1:] == [None] * 4
    assert manifest["rr_tokens"].to_list() == [0, 0, 4, 0, 0]


def test_the_manifest_describes_the_tensors(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "mart", STAYS, events=EVENTS)
    align(tmp_path, tiny_config(EHR, scaling=Scaling.PUBLISHED))
    manifest = {r["stay_id"]: r for r in pl.read_parquet(tmp_path / "tensor" / "manifest.parquet").to_dicts()}
    for stay_id, row in read_all(tmp_path).items():
        ehr, described = row["ehr"], manifest[stay_id]
        assert described["ehr_steps"] == len(ehr) == 48
        assert described["ehr_min"] == pytest.approx(ehr.min())
        assert described["ehr_max"] == pytest.approx(ehr.max())
        assert described["ehr_observed_share"] == pytest.approx(1 / (48 * 17))
        assert described["ehr_one_hot_sum_min"] == described["ehr_one_hot_sum_max"] == 5.0


def test_an_unreadable_image_is_named_and_its_stay_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_image(tmp_path / "cxr" / "good.jpg", 80)
    (tmp_path / "cxr" / "bad.jpg").write_bytes(b"\xff\xd8 cut")
    images = {3: "good.jpg", 5: "bad.jpg", 7: "absent.jpg"}
    write_warehouse(tmp_path / "mart", STAYS, events=EVENTS, images=images)
    with caplog.at_level(logging.WARNING):
        report = align(tmp_path, tiny_config(EHR, CXR), cxr_dir=tmp_path / "cxr")
    assert report.unreadable_dicom_ids == ("dicom-5", "dicom-7")
    assert report.image_count == 3
    assert "2 of 3 images are absent or not readable" in caplog.text
    assert "align_report.json" in caplog.text
    assert "dicom-5" not in caplog.text
    rows = read_all(tmp_path)
    assert {s for s, row in rows.items() if row["cxr"] is not None} == {3}
    assert all(row["ehr"] is not None for row in rows.values())


def test_the_scaler_and_the_vocabulary_know_the_train_split_alone(tmp_path: Path) -> None:
    rr = [(3, 0, "heart"), (5, 0, "valword"), (9, 0, "testword")]
    for name, elsewhere in (("a", 500.0), ("b", 90.0)):
        events = [(3, 0.5, HEART_RATE, 70.0), (5, 0.5, HEART_RATE, elsewhere), (9, 0.5, HEART_RATE, elsewhere)]
        write_warehouse(tmp_path / "mart", STAYS, events=events, rr=rr)
        align(tmp_path, tiny_config(EHR, RR), name=name)
    a, b = (load_scaler(tmp_path / name / "scaler.json") for name in "ab")
    np.testing.assert_array_equal(a.mean, b.mean)
    assert a.source == "train"
    assert a.mean[a.names.index(HEART_RATE)] == 70.0
    assert sorted(load_tokenizer(tmp_path / "a" / "tokenizer").get_vocab()) == [
        "[CLS]",
        "[PAD]",
        "[SEP]",
        "[UNK]",
        "heart",
    ]


def test_bins_that_fitting_the_scaler_kept_give_the_bytes_of_bins_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medpatch.align.source.CHUNK_STAYS", 2)
    write_warehouse(tmp_path / "mart", STAYS, events=EVENTS)
    for kept_bytes in (0, 1, 2**20):
        monkeypatch.setattr("medpatch.align.shard.KEPT_BYTES", kept_bytes)
        align(tmp_path, tiny_config(EHR, scaling=Scaling.TRAIN), name=f"kept-{kept_bytes}")
    made = [fingerprint(tmp_path / f"kept-{kept_bytes}") for kept_bytes in (0, 1, 2**20)]
    assert len(set(made)) == 1


def test_phenotyping_takes_whole_stays_and_25_labels_in_order(tmp_path: Path) -> None:
    hours = {3: 5.5, 5: 2.0, 7: 2.01, 9: 90.0, 11: 0.2}
    events = [(s, 0.1, HEART_RATE, 60.0) for s in STAYS]
    write_warehouse(
        tmp_path / "mart", STAYS, task=Task.PHENOTYPING, hours=hours, events=events,
        dn=[(3, 0, "went home")], positive=[3, 9],
    )  # fmt: skip
    align(tmp_path, tiny_config(EHR, DN, task=Task.PHENOTYPING))
    rows = read_all(tmp_path)
    assert {s: len(row["ehr"]) for s, row in rows.items()} == {3: 6, 5: 2, 7: 3, 9: 90, 11: 1}
    assert rows[3]["label"] == rows[9]["label"] == [1] * 25
    assert rows[5]["label"] == [0] * 25
    assert rows[3]["dn"] is not None
    spec = json.loads((tmp_path / "tensor" / "spec.json").read_text())
    assert spec["label_names"] == sorted(spec["label_names"])


def test_one_stay_without_notes_is_enough(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "mart", {4: "train"}, events=[(4, 0.5, HEART_RATE, 60.0)])
    report = align(tmp_path, tiny_config(EHR, RR))
    assert report.presence_count["train"] == {"ehr": 1, "rr": 0}
    assert json.loads((tmp_path / "tensor" / "spec.json").read_text())["vocabulary_size"] == 4


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "mart", STAYS, events=EVENTS, rr=[(s, 0, "b a c") for s in STAYS])
    for name in ("one", "two"):
        align(tmp_path, tiny_config(EHR, RR), name=name)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) > 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
