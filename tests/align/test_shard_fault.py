"""A folder of shards that could not be finished."""

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from align.warehouse import EVENTS, HEART_RATE, STAYS, align, event_row, tiny_config, write_table, write_warehouse
from medpatch.config.error import ContractError, ResourceError
from medpatch.config.modality import Scaling
from medpatch.config.name import Modality
from medpatch.contract.artifact import fingerprint

EHR = Modality.EHR


def test_a_failure_in_the_middle_leaves_the_old_folder_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medpatch.align.source.CHUNK_STAYS", 1)
    config = tiny_config(EHR, scaling=Scaling.PUBLISHED, shard_stays=1)
    write_warehouse(tmp_path / "mart", STAYS, events=EVENTS)
    align(tmp_path, config)
    before = fingerprint(tmp_path / "tensor")
    write_table(tmp_path / "mart", "ehr_event", [event_row(3, 1.0, HEART_RATE, 60.0), event_row(11, 1.0, "Foo", 1.0)])
    with pytest.raises(ContractError, match="Foo: 1 rows"):
        align(tmp_path, config)
    with pytest.raises(ContractError, match="Foo: 1 rows"):
        align(tmp_path, config, name="new")
    assert fingerprint(tmp_path / "tensor") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mart", "tensor"]


def test_a_full_disk_in_the_middle_is_named_and_keeps_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(EHR, scaling=Scaling.PUBLISHED, shard_stays=1)
    write_warehouse(tmp_path / "mart", STAYS, events=EVENTS)
    align(tmp_path, config)
    before = fingerprint(tmp_path / "tensor")
    write, written = pq.write_table, []

    def write_one_shard(table: pa.Table, file: Path, **options: object) -> None:
        if written:
            file.write_bytes(b"PAR1 half of a sha")
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(file)
        write(table, file, **options)

    monkeypatch.setattr("medpatch.align.writer.pq.write_table", write_one_shard)
    for name in ("tensor", "new"):
        written.clear()
        with pytest.raises(ResourceError, match=rf"the disk is full: .* below {tmp_path}"):
            align(tmp_path, config, name=name)
    assert fingerprint(tmp_path / "tensor") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mart", "tensor"]
