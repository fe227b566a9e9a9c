"""Alignment after a raw file changed: what does not depend on it is not made again."""

import gzip
import os
import shutil
from pathlib import Path

import pytest

from flows.align import align
from medpatch.align import source
from medpatch.config.preset import PresetName
from medpatch.contract.artifact import DESCRIPTION, fingerprint


def test_changed_laboratory_file_decodes_no_image_and_tokenises_no_report_again(
    tree: Path, prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, work_dir = tmp_path / "raw", tmp_path / "work"
    shutil.copytree(tree, raw, copy_function=os.link)
    decoded, tokenised = [], []
    read_images, chunk_notes = source.read_images, source.chunk_notes
    monkeypatch.setattr(source, "read_images", lambda files, px: decoded.extend(files) or read_images(files, px))
    monkeypatch.setattr(
        source,
        "chunk_notes",
        lambda joined, stay_id, **more: tokenised.extend(joined["text"]) or chunk_notes(joined, stay_id, **more),
    )
    align(PresetName.tiny_in_hospital_mortality, raw_dir=raw, work_dir=work_dir)
    assert decoded
    assert tokenised
    decoded.clear()
    tokenised.clear()

    file = raw / "mimiciv" / "hosp" / "labevents.csv.gz"
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.unlink()  # the fixture's own file stays as it is
    file.write_bytes(gzip.compress(b"".join(lines[:-1])))
    align(PresetName.tiny_in_hospital_mortality, raw_dir=raw, work_dir=work_dir)

    assert len(list(work_dir.glob("data-*/2_tensor"))) == 2
    assert decoded == []
    assert tokenised == []


def test_images_and_tables_written_again_with_the_same_bytes_change_nothing_that_models_are_made_of(
    tree: Path, prefect_server: None, tmp_path: Path
) -> None:
    raw, work_dir = tmp_path / "raw", tmp_path / "work"
    shutil.copytree(tree, raw)
    align(PresetName.tiny_in_hospital_mortality, raw_dir=raw, work_dir=work_dir)
    (tensors,) = work_dir.glob("data-*/2_tensor")
    before, made = fingerprint(tensors), (tensors / DESCRIPTION).stat().st_mtime_ns

    for file in raw.rglob("*"):
        if file.is_file():
            os.utime(file, (1e9, 1e9))
    align(PresetName.tiny_in_hospital_mortality, raw_dir=raw, work_dir=work_dir)

    assert list(work_dir.glob("data-*/2_tensor")) == [tensors]
    assert (tensors / DESCRIPTION).stat().st_mtime_ns != made, "images may have changed, so they are read again"
    assert fingerprint(tensors) == before
