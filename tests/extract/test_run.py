"""The warehouse: every table of the contract, whole or absent."""

import itertools
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from medpatch.config.code import EXTRACT_CODE
from medpatch.config.cohort import SplitConfig
from medpatch.config.error import ConfigError, ContractError
from medpatch.config.name import Modality, Profile, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import in_hospital_mortality, phenotyping
from medpatch.contract.artifact import is_current
from medpatch.contract.table import TABLES
from medpatch.extract.run import ExtractReport, build_staging, build_warehouse
from medpatch.extract.source import find_raw

from .conftest import EHR, write_ehr, write_gz


def build(raw: Path, config: PipelineConfig, out: Path) -> ExtractReport:
    return build_warehouse(find_raw(raw), config, out_dir=out, inputs="raw")


def with_cohort(config: PipelineConfig, **changes: object) -> PipelineConfig:
    return config.model_copy(update={"cohort": config.cohort.model_copy(update=changes)})


def columns(file: Path) -> list[tuple[str, object]]:
    return [(field.name, field.type) for field in pq.read_schema(file)]


def read(out: Path, table: str) -> pl.DataFrame:
    return pl.read_parquet(out / f"{table}.parquet")


def test_every_table_has_exactly_the_columns_and_types_of_the_contract(raw_dir: Path, tmp_path: Path) -> None:
    build(raw_dir, phenotyping(), tmp_path / "out")

    for name, schema in TABLES.items():
        assert columns(tmp_path / "out" / f"{name}.parquet") == [(f.name, f.type) for f in schema]


def test_samples_are_the_adults_and_carry_all_they_have(raw_dir: Path, tmp_path: Path) -> None:
    report = build(raw_dir, phenotyping(), tmp_path / "out")

    index = read(tmp_path / "out", "stay_index")
    counts = ["ehr_event_count", "cxr_count", "rr_count", "dn_count"]
    assert report.samples == 2
    assert index["stay_id"].to_list() == [100, 200]
    # stay 100: heart rate, coma scale, one readable glucose
    assert index.select(counts).rows() == [(3, 1, 1, 1), (1, 0, 0, 0)]
    assert read(tmp_path / "out", "stay")["in_hospital_mortality"].to_list() == [True, False]


def test_criterion_table_keeps_every_icu_stay(raw_dir: Path, tmp_path: Path) -> None:
    build(raw_dir, in_hospital_mortality(), tmp_path / "out")

    criterion = read(tmp_path / "out", "stay_criterion")
    assert criterion.sort("stay_id").select("stay_id", "is_adult").rows() == [(100, True), (200, True), (300, False)]


def test_only_the_modalities_of_the_configuration_are_built(raw_dir: Path, tmp_path: Path) -> None:
    config = phenotyping()
    ehr_only = config.model_copy(
        update={"modality": config.modality.model_copy(update={"modalities": (Modality.EHR,)})}
    )

    report = build(raw_dir, ehr_only, tmp_path / "out")

    assert [report.rows[t] for t in ("cxr_study", "radiology_report", "discharge_note")] == [0, 0, 0]
    assert report.rows["ehr_event"] == 4


def test_absent_images_and_notes_are_empty_tables(tmp_path: Path) -> None:
    write_ehr(tmp_path / "raw")

    report = build(tmp_path / "raw", phenotyping(), tmp_path / "out")

    assert report.samples == 2
    assert read(tmp_path / "out", "radiology_report").is_empty()
    assert read(tmp_path / "out", "cxr_study").is_empty()


def test_profiles_differ_where_the_rules_say(raw_dir: Path, tmp_path: Path) -> None:
    config = phenotyping()
    build(raw_dir, config, tmp_path / "published")
    build(raw_dir, with_cohort(config, profile=Profile.CORRECTED), tmp_path / "corrected")

    events = {p: set(read(tmp_path / p, "ehr_event").select("stay_id", "variable", "value").rows())
              for p in ("published", "corrected")}  # fmt: skip
    # number of serum glucose from valuenum; admission of a laboratory row from its time
    assert events["corrected"] - events["published"] == {(100, "Glucose", 141.0), (200, "Glucose", 120.0)}
    assert events["published"] - events["corrected"] == set()
    assert read(tmp_path / "published", "stay")["race"].to_list() == ["WHITE - RUSSIAN", "ASIAN - KOREAN"]
    assert read(tmp_path / "corrected", "stay")["race"].to_list() == ["WHITE", "ASIAN"]
    assert read(tmp_path / "corrected", "radiology_report").height == 2


def test_empty_cohort_names_the_criterion_and_leaves_nothing(
    raw_dir: Path, tmp_path: Path, leftovers: Callable[[], list[str]]
) -> None:
    with pytest.raises(ContractError, match=r"'old enough' removed the last 3 of 3 ICU stays"):
        build(raw_dir, with_cohort(in_hospital_mortality(), min_age_years=100), tmp_path / "work" / "out")

    assert leftovers() == []


def test_window_longer_than_every_stay_names_that_criterion(raw_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"'ICU stay as long as the window' removed the last 2"):
        build(raw_dir, with_cohort(in_hospital_mortality(), window_hours=73), tmp_path / "out")


def test_staging_is_made_once_and_serves_both_tasks(raw_dir: Path, tmp_path: Path) -> None:
    source = find_raw(raw_dir)
    build_staging(source, tmp_path / "staging", inputs="raw")
    write_gz(raw_dir / "mimiciv" / "icu" / "chartevents.csv.gz", "changed after staging")

    for config in (in_hospital_mortality(), phenotyping()):
        task: Task = config.cohort.task
        report = build_warehouse(
            source, config, out_dir=tmp_path / task, inputs="raw", staging_dir=tmp_path / "staging"
        )
        assert report.samples == 2
        assert is_current(tmp_path / task, inputs="raw", packages=EXTRACT_CODE)


def test_staging_folder_that_is_not_whole_is_refused(raw_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()

    with pytest.raises(ContractError, match="staging: not a finished folder"):
        build_warehouse(
            find_raw(raw_dir), phenotyping(), out_dir=tmp_path / "out", inputs="raw", staging_dir=tmp_path / "staging"
        )


def test_scratch_files_are_gone_afterwards(raw_dir: Path, tmp_path: Path, leftovers: Callable[[], list[str]]) -> None:
    build(raw_dir, phenotyping(), tmp_path / "work" / "out")

    assert leftovers() == ["out"]


def test_progress_counts_up_to_its_total(raw_dir: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    build_warehouse(
        find_raw(raw_dir),
        phenotyping(),
        out_dir=tmp_path / "out",
        inputs="raw",
        progress=lambda done, total: told.append((done, total)),
    )

    assert [done for done, _ in told] == list(range(told[-1][1] + 1))


def test_row_account_reaches_from_the_raw_file_to_what_is_kept(raw_dir: Path, tmp_path: Path) -> None:
    report = build(raw_dir, phenotyping(), tmp_path / "out")

    lab = [(a.rule, a.rows_in, a.rows_kept) for a in report.accounts if a.source == "labevents"]
    assert lab[0] == ("read, and not rejected", 3, 3)
    assert ("not: admission unknown", 3, 2) in lab
    assert ("not: value not readable", 2, 1) in lab
    assert all(before[2] == after[1] for before, after in itertools.pairwise(lab))


def test_published_lists_decide_the_split(raw_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "testset_iv.csv").write_text("1,1\n2,0\n")
    (tmp_path / "valset_iv.csv").write_text("subject_id,flag\n2,1\n")
    config = phenotyping().model_copy(update={"split": SplitConfig(list_dir=tmp_path)})

    build(raw_dir, config, tmp_path / "out")

    assert read(tmp_path / "out", "subject_split").rows() == [(1, "test"), (2, "val")]


def test_absent_or_malformed_lists_are_refused(raw_dir: Path, tmp_path: Path) -> None:
    config = phenotyping().model_copy(update={"split": SplitConfig(list_dir=tmp_path)})
    with pytest.raises(ConfigError, match=r"testset_iv\.csv: absent"):
        build(raw_dir, config, tmp_path / "out")

    (tmp_path / "testset_iv.csv").write_text("1,yes\n")
    with pytest.raises(ConfigError, match=r"testset_iv\.csv: entry 1 .*expected 'subject_id,flag'"):
        build(raw_dir, config, tmp_path / "out")


def test_no_subject_is_in_two_splits_and_the_cohort_is_covered(raw_dir: Path, tmp_path: Path) -> None:
    build(raw_dir, phenotyping(), tmp_path / "out")

    split = read(tmp_path / "out", "subject_split")
    assert split["subject_id"].is_unique().all()
    assert set(read(tmp_path / "out", "stay")["subject_id"]) == set(split["subject_id"])


def test_nul_bytes_are_taken_out_of_short_and_long_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    changed = {
        "hosp/labevents": EHR["hosp/labevents"].replace("second", "sec\0ond"),
        "icu/icustays": EHR["icu/icustays"].replace("MICU,MICU", "MI\0CU,MICU", 1),
    }
    write_ehr(tmp_path / "raw", changed)

    assert build(tmp_path / "raw", phenotyping(), tmp_path / "out").samples == 2
    assert "\0" not in "".join(read(tmp_path / "out", "stay")["first_careunit"])
    assert caplog.text.count("NUL bytes were taken out") == 2
