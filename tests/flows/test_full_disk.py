"""`medpatch extract` on disks that are really full: one message, exit code 1, nothing half-written."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

from extract.conftest import NOTE_COLUMNS, write_ehr, write_gz

EXTRACT = (sys.executable, "-m", "flows.cli", "extract", "--task", "phenotyping", "--set", "modality.modalities=ehr")


def command(tmp_path: Path, *, work: Path, out: Path) -> list[str]:
    return [*EXTRACT, "--raw-dir", str(tmp_path / "raw"), "--work-dir", str(work), "--out", str(out)]


def test_work_folder_without_room_for_the_first_file_is_named(tmp_path: Path, on_small_disk: Callable) -> None:
    write_ehr(tmp_path / "raw")
    work, out = tmp_path / "disk" / "work", tmp_path / "out"

    ended = on_small_disk(command(tmp_path, work=work, out=out), folder=tmp_path / "disk", size="500k")

    assert ended.code == 1
    assert f"ResourceError: the disk is full: 0.0 GiB are free below {work}" in ended.said
    assert "Traceback" not in ended.said
    assert not out.exists()
    assert not any("staging" in name for name in ended.left)


def test_temporary_folder_that_fills_while_raw_files_are_parsed_leaves_no_table(
    tmp_path: Path, on_small_disk: Callable
) -> None:
    noise = random.Random(0)  # texts that no compression makes small
    lines = [f"{i}-RR-1,1,10,RR,1,2100-01-02 09:30:00,,{noise.randbytes(500_000).hex()}" for i in range(30)]
    write_gz(write_ehr(tmp_path / "raw") / "mimic-iv-note" / "note" / "radiology.csv.gz",
             "\n".join([NOTE_COLUMNS, *lines]))  # fmt: skip
    work, out = tmp_path / "disk" / "work", tmp_path / "out"

    ended = on_small_disk(command(tmp_path, work=work, out=out), folder=tmp_path / "disk", size="20m")

    assert ended.code == 1
    assert f"ResourceError: stage-raw-tables: the disk is full: 0.0 GiB are free below {work}" in ended.said
    assert "Traceback" not in ended.said
    assert not out.exists()
    assert not any(part in name for name in ended.left for part in ("staging", "extract", ".parquet", ".csv"))


def test_out_folder_that_fills_is_not_there_afterwards(tmp_path: Path, on_small_disk: Callable) -> None:
    write_ehr(tmp_path / "raw")
    out = tmp_path / "disk" / "out"

    ended = on_small_disk(command(tmp_path, work=tmp_path / "work", out=out), folder=tmp_path / "disk", size="28k")

    assert ended.code == 1
    assert f"ResourceError: copy-tables: the disk is full: 0.0 GiB are free below {out.parent}" in ended.said
    assert "Traceback" not in ended.said
    assert ended.left == []
    assert len(list((tmp_path / "work").glob("staging-*/artifact.json"))) == 1
