"""The written tree looks like MIMIC: folders, columns, keys, rates and habits."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medpatch.config.error import ConfigError
from medpatch.config.name import PHENOTYPES
from medpatch.config.path import REPOSITORY_DIR
from medpatch.synthetic.folder import MADE_UP
from medpatch.synthetic.note import radiology
from medpatch.synthetic.sink import published_columns
from medpatch.synthetic.state import read_parameter
from medpatch.synthetic.timeline import draw_chunk
from medpatch.synthetic.write import write_tree

from .conftest import SEED, SUBJECTS, Tree

SHARED = REPOSITORY_DIR.parent / "shared"
DEMO = SHARED / "data" / "mimic-iv-demo"
CHART, STAYS = "mimiciv/icu/chartevents", "mimiciv/icu/icustays"


def _bytes_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_every_table_has_the_published_header(tree: Tree) -> None:
    for name, columns in published_columns().items():
        with gzip.open(tree.root / f"{name}.csv.gz", "rt") as file:
            assert file.readline().rstrip("\n").split(",") == columns, name


def test_published_columns_are_those_of_the_open_demo() -> None:
    if not DEMO.is_dir():
        pytest.skip("the open demo is not beside this repository")
    ours = published_columns()
    for path in sorted(DEMO.glob("*/*.csv.gz")):
        name = f"mimiciv/{path.parent.name}/{path.name.removesuffix('.csv.gz')}"
        with gzip.open(path, "rt") as file:
            assert file.readline().rstrip("\n").split(",") == ours[name], name


def test_every_table_has_rows(tree: Tree) -> None:
    empty = [name for name in published_columns() if tree.table(name).is_empty()]
    assert empty == []


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tree(tmp_path / name, subjects=12, seed=5)
    write_tree(tmp_path / "other", subjects=12, seed=6)
    assert _bytes_of(tmp_path / "one") == _bytes_of(tmp_path / "two")
    assert _bytes_of(tmp_path / "one") != _bytes_of(tmp_path / "other")


def test_made_up_json_says_so(tree: Tree) -> None:
    content = json.loads((tree.root / MADE_UP).read_text())
    assert content["kind"] == "synthetic"
    assert (content["subjects"], content["seed"]) == (SUBJECTS, SEED)
    assert "made up" in content["statement"]
    assert "generator" in content


def test_oracle_lies_outside_the_raw_tables(tree: Tree) -> None:
    assert sorted(p.name for p in (tree.root / "oracle").iterdir()) == [
        "in_hospital_mortality.parquet",
        "phenotyping.parquet",
    ]
    for folder in ("mimiciv", "mimic-cxr-jpg", "mimic-iv-note"):
        assert not list((tree.root / folder).rglob("*.parquet"))


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="not a made-up tree"):
        write_tree(tmp_path, subjects=2, seed=0)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_earlier_tree_is_replaced(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", subjects=2, seed=0)
    write_tree(tmp_path / "tree", subjects=3, seed=0)
    assert json.loads((tmp_path / "tree" / MADE_UP).read_text())["subjects"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["tree"]


def test_nothing_is_left_of_a_tree_that_failed(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_tree(tmp_path / "tree", subjects=2, seed=0, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("subjects", [0, -1, 10**9])
def test_impossible_numbers_of_subjects_are_refused(tmp_path: Path, subjects: int) -> None:
    with pytest.raises(ConfigError, match="subjects asked for"):
        write_tree(tmp_path / "tree", subjects=subjects, seed=0)


def test_identifiers_are_unique_and_refer_to_something(tree: Tree) -> None:
    patients = tree.table("mimiciv/hosp/patients")["subject_id"]
    admissions, stays = tree.table("mimiciv/hosp/admissions"), tree.table(STAYS)
    assert patients.is_unique().all()
    assert admissions["hadm_id"].is_unique().all()
    assert stays["stay_id"].is_unique().all()
    for name in published_columns():
        table = tree.table(name)
        if "stay_id" in table.columns:
            keys = ["subject_id", "hadm_id", "stay_id"]
            assert table.select(keys).unique().join(stays, on=keys, how="anti").is_empty(), name
        elif "hadm_id" in table.columns:
            known = table.select("subject_id", "hadm_id").drop_nulls().unique()
            assert known.join(admissions, on=["subject_id", "hadm_id"], how="anti").is_empty(), name
        elif name.startswith(("mimiciv", "mimic-iv-note")) and "subject_id" in table.columns:
            assert table["subject_id"].is_in(patients.implode()).all(), name


def test_items_and_codes_are_in_their_dictionaries(tree: Tree) -> None:
    items = tree.table("mimiciv/icu/d_items")["itemid"].implode()
    for name in published_columns():
        if name.startswith("mimiciv/icu/") and name.endswith("events"):
            assert tree.table(name)["itemid"].is_in(items).all(), name
    labs = tree.table("mimiciv/hosp/d_labitems")["itemid"].implode()
    assert tree.table("mimiciv/hosp/labevents")["itemid"].is_in(labs).all()


def test_diagnosis_codes_mean_the_published_phenotypes() -> None:
    path = SHARED / "facts" / "phenotypes.csv"
    if not path.is_file():
        pytest.skip("the published code lists are not beside this repository")
    published = {row["icd_code"]: row for row in pl.read_csv(path, infer_schema=False).to_dicts()}
    for row in read_parameter("diagnosis"):
        fact = published.get(row["icd_code"])
        if row["name"]:
            assert fact is not None, row["icd_code"]
            assert (fact["phenotype"], fact["icd_version"]) == (row["name"], row["icd_version"])
        else:
            assert fact is None, row["icd_code"]


def test_codes_of_an_admission_are_its_conditions(tree: Tree) -> None:
    name_of = {row["icd_code"]: row["name"] for row in read_parameter("diagnosis")}
    coded = tree.table("mimiciv/hosp/diagnoses_icd").with_columns(
        pl.col("icd_code").replace_strict(name_of, default="").alias("name")
    )
    has_any = set(coded["hadm_id"])
    found = {hadm: set(part["name"]) - {""} for (hadm,), part in coded.group_by("hadm_id")}
    chunk = tree.chunk
    for i, hadm in enumerate(chunk.hadm_of_stay()[: chunk.plan.count].astype(str).tolist()):
        expected = {PHENOTYPES[k] for k in np.flatnonzero(chunk.plan.state.condition[i])}
        assert hadm not in has_any or found[hadm] == expected


def test_death_in_hospital_is_readable_from_the_dates(tree: Tree) -> None:
    both = tree.table("mimiciv/hosp/admissions").join(tree.table("mimiciv/hosp/patients"), on="subject_id")
    times = both.with_columns(
        pl.col("admittime", "dischtime", "deathtime").str.to_datetime(), pl.col("dod").str.to_datetime("%Y-%m-%d")
    )
    dies = [pl.col(name).is_between("admittime", "dischtime").fill_null(False) for name in ("dod", "deathtime")]
    assert (times.select(dies[0] | dies[1]).to_series().cast(int) == times["hospital_expire_flag"].cast(int)).all()
    by_dod_only = times.filter(dies[0] & ~dies[1])
    assert by_dod_only.height > 0, "no death whose dischtime was written as midnight"


def test_rates_are_those_of_the_cohort(tree: Tree) -> None:
    plan = tree.chunk.plan
    assert 0.38 < plan.is_long.mean() < 0.53
    assert 0.05 < plan.state.death[plan.is_long].mean() < 0.22
    assert 0.15 < plan.has_cxr[plan.is_long].mean() < 0.36
    assert 0.80 < plan.has_rr.mean() < 0.94
    assert 0.89 < plan.has_dn.mean() < 0.98
    stays = tree.table(STAYS)
    assert 1.1 < stays.height / SUBJECTS < 1.4
    chart = tree.table(CHART)
    mapped = {row["itemid"] for row in read_parameter("channel")}
    days = stays["los"].cast(float).clip(0).sum()
    assert 70 < chart.height / days < 130
    assert len(mapped & set(chart["itemid"])) == len(mapped)


def test_the_mess_is_there(tree: Tree) -> None:
    chart, stays = tree.table(CHART), tree.table(STAYS)
    labs = tree.table("mimiciv/hosp/labevents")
    radiology = tree.table("mimic-iv-note/note/radiology")
    discharge = tree.table("mimic-iv-note/note/discharge")
    metadata = tree.table("mimic-cxr-jpg/mimic-cxr-2.0.0-metadata")
    assert "None" in set(chart.filter(pl.col("itemid") == "220739")["value"])
    assert {" ___", "ERROR", ">500"} <= set(chart["value"])
    assert chart.select("stay_id", "charttime", "itemid").is_duplicated().any()
    assert (labs.filter(pl.col("itemid") == "50931")["value"] == "___").all()
    assert 0.03 < labs["hadm_id"].is_null().mean() < 0.15
    assert (chart["storetime"] < chart["charttime"]).any()
    assert (stays["first_careunit"] != stays["last_careunit"]).any()
    assert stays["hadm_id"].is_duplicated().any()
    assert radiology["hadm_id"].is_null().any()
    assert "AR" in set(radiology["note_type"])
    assert discharge["charttime"].str.ends_with("00:00:00").all()
    assert discharge["text"].str.contains("\n").all()
    assert discharge["text"].str.contains('"').any()
    assert set(metadata["ViewPosition"]) == {"AP", "PA", "LATERAL"}
    assert not metadata["subject_id"].is_in(tree.table("mimiciv/hosp/patients")["subject_id"].implode()).all()


def test_every_image_of_the_metadata_exists(tree: Tree) -> None:
    metadata = tree.table("mimic-cxr-jpg/mimic-cxr-2.0.0-metadata")
    listed = {
        f"p{subject[:2]}/p{subject}/s{study}/{dicom}.jpg"
        for subject, study, dicom in metadata.select("subject_id", "study_id", "dicom_id").iter_rows()
    }
    files = tree.root / "mimic-cxr-jpg" / "files"
    assert {str(p.relative_to(files)) for p in files.rglob("*.jpg")} == listed


def test_a_fifth_of_the_reports_is_stored_hours_later_and_only_storetime_says_so() -> None:
    chunk = draw_chunk(np.random.default_rng([3, 0]), 0, count=256)
    first, second = (
        radiology(np.random.default_rng(8), chunk, late=np.random.default_rng(stream)).note for stream in (1, 2)
    )
    assert first.drop("storetime").equals(second.drop("storetime"))
    wait = (first["storetime"] - first["charttime"]).dt.total_minutes().to_numpy() / 60
    is_report = (first["note_type"] == "RR").to_numpy()
    late = wait > 6
    assert not (late & ~is_report).any()
    assert 0.14 < late[is_report].mean() < 0.26
    assert wait[~late].max() <= 2
    assert wait.max() <= 62.1
    # whoever watches 48 h from the first report sees some of them stored too late
    assert (wait[late] > 48).any()
