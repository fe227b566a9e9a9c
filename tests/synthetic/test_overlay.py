"""An overlay gives existing patients images and notes and says that the pairing is made up."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medpatch.config.error import ConfigError, RawDataError
from medpatch.config.path import REPOSITORY_DIR
from medpatch.contract.table import MADE_UP
from medpatch.synthetic.overlay import write_overlay

from .conftest import Tree

SHARED = REPOSITORY_DIR.parent / "shared"


@pytest.fixture(scope="module")
def raw(tree: Tree) -> Path:
    return tree.root / "mimiciv"


def _read(root: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(root / f"{name}.csv.gz", infer_schema=False)


@pytest.fixture(scope="module")
def overlay(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("overlay") / "out"
    write_overlay(raw, root, seed=4)
    return root


def test_overlay_is_a_complete_raw_folder(overlay: Path, raw: Path) -> None:
    assert (overlay / "mimiciv").is_symlink()
    assert _read(overlay / "mimiciv", "icu/icustays").equals(_read(raw, "icu/icustays"))
    stays = _read(raw, "icu/icustays")
    for name in ("radiology", "discharge"):
        note = _read(overlay, f"mimic-iv-note/note/{name}")
        in_hospital = note.drop_nulls("hadm_id")
        assert in_hospital["hadm_id"].is_in(stays["hadm_id"].implode()).all()
        assert in_hospital["hadm_id"].n_unique() > 0.8 * stays["hadm_id"].n_unique()
    metadata = _read(overlay, "mimic-cxr-jpg/mimic-cxr-2.0.0-metadata")
    assert metadata["subject_id"].is_in(stays["subject_id"].implode()).all()
    assert len(list((overlay / "mimic-cxr-jpg" / "files").rglob("*.jpg"))) == metadata.height


def test_overlay_says_that_the_pairing_is_made_up(overlay: Path) -> None:
    content = json.loads((overlay / MADE_UP).read_text())
    assert content["kind"] == "overlay"
    assert "pairing means nothing" in content["statement"]


def test_overlay_has_no_oracle(overlay: Path) -> None:
    assert not (overlay / "oracle").exists()


def test_overlay_is_the_same_for_the_same_seed(overlay: Path, raw: Path, tmp_path: Path) -> None:
    write_overlay(raw, tmp_path / "again", seed=4)
    for file in overlay.rglob("*.gz"):
        if not file.is_relative_to(overlay / "mimiciv"):
            assert file.read_bytes() == (tmp_path / "again" / file.relative_to(overlay)).read_bytes()


def test_notes_go_with_the_patients_own_codes_and_outcome(overlay: Path, raw: Path) -> None:
    note = _read(overlay, "mimic-iv-note/note/discharge").group_by("hadm_id", maintain_order=True).last()
    note = note.with_columns(pl.col("text").str.replace_all("\n", " "))
    codes = _read(raw, "hosp/diagnoses_icd")
    has_lipid = note["hadm_id"].is_in(
        codes.filter(pl.col("icd_code").is_in(["2724", "2720", "E785"]))["hadm_id"].implode()
    )
    says_lipid = note["text"].str.contains("Hyperlipidemia on atorvastatin", literal=True)
    assert says_lipid.filter(has_lipid).mean() > 0.5
    assert says_lipid.filter(~has_lipid).mean() < 0.3
    dead = _read(raw, "hosp/admissions").filter(pl.col("hospital_expire_flag") == "1")["hadm_id"]
    expired = note.filter(pl.col("text").str.contains("Disposition: Expired", literal=True))["hadm_id"]
    assert set(expired) == set(note["hadm_id"]) & set(dead)


def test_borrowed_images_are_grey_small_and_recorded(raw: Path, tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for name, level in (("sick.jpg", 200), ("well.jpg", 40)):
        Image.fromarray(np.full((900, 1200, 3), level, dtype=np.uint8)).save(album / name)
    with (album / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([
            ("file", "labels", "dataset", "licence"),
            ("sick.jpg", "Pneumonia|Effusion", "Open set", "CC BY 4.0"),
            ("well.jpg", "No Finding", "Open set", "CC BY 4.0"),
        ])  # fmt: skip
    write_overlay(raw, tmp_path / "out", seed=4, image_dir=album)
    images = list((tmp_path / "out" / "mimic-cxr-jpg" / "files").rglob("*.jpg"))
    with Image.open(images[0]) as image:
        assert image.mode == "L"
        assert image.size == (512, 384)
    with (tmp_path / "out" / "mimic-cxr-jpg" / "MADE_UP_sources.csv").open(newline="") as file:
        record = list(csv.DictReader(file))
    assert {row["dicom_id"] for row in record} == {path.stem for path in images}
    assert {row["file"] for row in record} == {"sick.jpg", "well.jpg"}
    described = json.loads((tmp_path / "out" / MADE_UP).read_text())["images"]
    assert described["datasets"] == ["Open set: CC BY 4.0"]
    source = {row["dicom_id"]: row["file"] for row in record}
    with Image.open(images[0]) as image:
        assert (np.asarray(image).mean() > 120) == (source[images[0].stem] == "sick.jpg")


def test_a_missing_table_is_named(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    (tmp_path / "raw" / "icu" / "icustays.csv.gz").unlink()
    with pytest.raises(RawDataError, match=r"icu/icustays\.csv\.gz is missing"):
        write_overlay(tmp_path / "raw", tmp_path / "out", seed=0)
    assert not (tmp_path / "out").exists()


def test_a_missing_column_is_named(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    path = tmp_path / "raw" / "hosp" / "patients.csv.gz"
    text = gzip.decompress(path.read_bytes()).replace(b"gender", b"sex", 1)
    path.write_bytes(gzip.compress(text))
    with pytest.raises(RawDataError, match="no column gender"):
        write_overlay(tmp_path / "raw", tmp_path / "out", seed=0)


def test_an_unreadable_image_is_named(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "broken.jpg").write_bytes(b"not an image")
    with pytest.raises(RawDataError, match=r"broken\.jpg is not a readable image"):
        write_overlay(raw, tmp_path / "out", seed=0, image_dir=tmp_path / "album")


def test_a_folder_without_images_is_refused(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match=r"no \*\.jpg"):
        write_overlay(raw, tmp_path / "out", seed=0, image_dir=tmp_path)


def test_the_raw_folder_cannot_be_overwritten(raw: Path) -> None:
    with pytest.raises(ConfigError, match="would be replaced"):
        write_overlay(raw, raw.parent, seed=0)
    with pytest.raises(ConfigError):
        write_overlay(raw, raw, seed=0)
    assert (raw / "icu" / "icustays.csv.gz").is_file()


def test_overlay_on_the_open_demo_reaches_every_admission_with_an_icu_stay(tmp_path: Path) -> None:
    demo, images = SHARED / "data" / "mimic-iv-demo", SHARED / "data" / "cxr-open"
    if not (demo.is_dir() and images.is_dir()):
        pytest.skip("the open demo and images are not beside this repository")
    write_overlay(demo, tmp_path / "out", seed=0, image_dir=images)
    hadm = _read(demo, "icu/icustays")["hadm_id"].unique()
    note = _read(tmp_path / "out", "mimic-iv-note/note/discharge")["hadm_id"].unique()
    assert 0.85 < len(note) / len(hadm) <= 1
