"""Splits given by lists: no subject in two of them, whichever modality it brings."""

from pathlib import Path

import polars as pl
import pytest

from medpatch.config.cohort import SplitConfig
from medpatch.config.error import ConfigError, RawDataError
from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import phenotyping
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw
from medpatch.extract.split_list import read_split_list

from .conftest import write_gz

HEADER = "dicom_id,study_id,subject_id,split\n"
FOLLOWING = SplitConfig(follows_mimic_cxr=True)


def write_cxr_split(raw: Path, rows: str) -> None:
    write_gz(raw / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-split.csv.gz", HEADER + rows)


def split_of(config: SplitConfig, raw: Path) -> dict[int, str]:
    return dict(zip(*read_split_list(config, find_raw(raw)).to_pydict().values(), strict=True))


def with_split(config: PipelineConfig, **changes: object) -> PipelineConfig:
    return config.model_copy(update={"split": config.split.model_copy(update=changes)})


def test_subjects_take_the_split_of_mimic_cxr_where_it_is_followed(raw_dir: Path) -> None:
    write_cxr_split(raw_dir, "aa,500,1,validate\nab,500,1,validate\nbb,501,2,test\ncc,502,9,train\n")

    assert split_of(FOLLOWING, raw_dir) == {1: "val", 2: "test", 9: "train"}
    assert split_of(SplitConfig(), raw_dir) == {}


def test_mimic_cxr_comes_before_the_published_lists(raw_dir: Path, tmp_path: Path) -> None:
    write_cxr_split(raw_dir, "aa,500,1,train\n")
    (tmp_path / "testset_iv.csv").write_text("1,1\n2,1\n")
    (tmp_path / "valset_iv.csv").write_text("2,1\n3,1\n")

    found = split_of(SplitConfig(follows_mimic_cxr=True, list_dir=tmp_path), raw_dir)

    assert found == {1: "train", 2: "test", 3: "val"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("aa,500,1,train\nab,501,1,test\n", "subject 1 stands in train and in test"),
        ("aa,500,1,dev\n", "row 1 is not a subject_id with one of train, validate, test"),
        ("aa,500,x,train\n", "row 1 is not a subject_id"),
        ("aa,500\n", "row 1 is not a subject_id"),
    ],
)
def test_malformed_list_of_mimic_cxr_is_refused(raw_dir: Path, rows: str, message: str) -> None:
    write_cxr_split(raw_dir, rows)

    with pytest.raises(RawDataError, match=message):
        split_of(FOLLOWING, raw_dir)


def test_truncated_list_of_mimic_cxr_is_refused(raw_dir: Path) -> None:
    write_cxr_split(raw_dir, "".join(f"{n},500,{n},train\n" for n in range(2000)))
    [file] = raw_dir.rglob("mimic-cxr-*-split.csv.gz")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    with pytest.raises(RawDataError, match="the gzip stream is truncated or damaged; download it again"):
        split_of(FOLLOWING, raw_dir)


def test_absent_list_of_mimic_cxr_is_named_by_its_setting(raw_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"split\.follows_mimic_cxr: .*mimic-cxr-jpg has no mimic-cxr-\*-split\.csv"):
        split_of(FOLLOWING, raw_dir)


@pytest.mark.parametrize("how", ["hash", "published lists", "mimic-cxr"])
def test_no_subject_is_in_two_splits_across_all_modalities(how: str, tree: Path, tmp_path: Path) -> None:
    config = phenotyping()
    if how == "published lists":
        subjects = pl.read_csv(tree / "mimiciv" / "hosp" / "patients.csv.gz")["subject_id"].to_list()
        (tmp_path / "testset_iv.csv").write_text("".join(f"{s},{int(s % 5 == 0)}\n" for s in subjects))
        (tmp_path / "valset_iv.csv").write_text("".join(f"{s},{int(s % 5 == 1)}\n" for s in subjects))
        config = with_split(config, list_dir=tmp_path)
    elif how == "mimic-cxr":
        config = with_split(config, follows_mimic_cxr=True)

    build_warehouse(find_raw(tree), config, out_dir=tmp_path / "out", inputs="raw")

    index = pl.read_parquet(tmp_path / "out" / "stay_index.parquet")
    for modality in Modality:
        column = "ehr_event_count" if modality is Modality.EHR else f"{modality}_count"
        having = index.filter(pl.col(column) > 0)
        assert having.height > 0
        assert having.group_by("subject_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert index["subject_id"].n_unique() < index.height
    assert index["split"].n_unique() > 1
