"""Gates stop a run for critical failures, name what is wrong, and show no patient."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from expectations.plant import again, keep, put
from expectations.world import MORTALITY, SHARDS, manifest, prediction

from medpatch.config.error import ConfigError, ContractError
from medpatch.config.name import Modality
from medpatch.validate.gate import GateError, gate_predictions, gate_tensors, gate_warehouse, run_gate

Writer = Callable[..., Path]
EHR_ALONE = MORTALITY.model_copy(
    update={"modality": MORTALITY.modality.model_copy(update={"modalities": (Modality.EHR,)})}
)


def test_a_clean_warehouse_passes_every_suite(write_warehouse: Writer) -> None:
    results = gate_warehouse(write_warehouse(), MORTALITY)
    assert [r.artifact for r in results] == [
        "stay.parquet",
        "cohort_attrition.parquet",
        "subject_split.parquet",
        "label_in_hospital_mortality.parquet",
        "ehr_event.parquet",
        "cxr_study.parquet",
        "radiology_report.parquet",
        "discharge_note.parquet",
        "stay_index.parquet",
        "row_account.parquet",
    ]
    assert all(o.is_met for r in results for o in r.outcomes)


def test_a_failure_says_what_where_how_many_why_and_what_to_do(write_warehouse: Writer) -> None:
    folder = write_warehouse(put("stay", 0, 1, age_years=4))
    with pytest.raises(ContractError) as caught:
        gate_warehouse(folder, MORTALITY)
    message = str(caught.value)
    assert "stay.parquet: 1 of 16 expectations of expectations/stay.json failed" in message
    assert "patient_is_old_enough [age_years]: 2 of 40 stays break it (one is stay_id 300)" in message
    assert "Children have other normal ranges" in message
    assert "What to do: look at sql/3_cohort/stay.sql" in message


def test_a_failure_shows_no_value_of_a_patient(write_warehouse: Writer) -> None:
    folder = write_warehouse(
        put("radiology_report", hours_after_intime=7654.3, text="very secret finding"),
        put("ehr_event", 1, value=float("inf"), value_text="secret answer"),
    )
    with pytest.raises(GateError) as caught:
        gate_warehouse(folder, MORTALITY)
    assert "7654" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "one is variable Diastolic blood pressure" not in str(caught.value)


def test_all_tables_are_judged_before_anything_is_raised(write_warehouse: Writer) -> None:
    folder = write_warehouse(put("stay", hadm_id=None), put("cxr_study", hours_after_intime=-3.0))
    with pytest.raises(GateError, match="(?s)stay.parquet: 1 of.*cxr_study.parquet: 2 of") as caught:
        gate_warehouse(folder, MORTALITY)
    assert len(caught.value.results) == 10


def test_a_warning_is_logged_and_the_run_goes_on(write_warehouse: Writer, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_warehouse(put("stay", gender="X"))
    with caplog.at_level(logging.WARNING):
        results = gate_warehouse(folder, MORTALITY)
    assert "stay.parquet: gender_is_known [gender]: 1 of 40 stays break it" in caplog.text
    assert "300" not in caplog.text
    assert [o.name for o in results[0].failed("warning")] == ["gender_is_known"]
    assert results[0].is_passed


def test_an_absent_table_is_named(write_warehouse: Writer) -> None:
    folder = write_warehouse()
    (folder / "cxr_study.parquet").unlink()
    with pytest.raises(ContractError, match="cxr_study.parquet: absent or not readable"):
        gate_warehouse(folder, MORTALITY)


def test_a_table_of_a_modality_that_is_not_used_may_be_absent(write_warehouse: Writer) -> None:
    folder = write_warehouse(put("stay_index", *range(40), cxr_count=0))
    (folder / "cxr_study.parquet").unlink()
    assert "cxr_study.parquet" not in {r.artifact for r in gate_warehouse(folder, EHR_ALONE)}


def test_a_stay_without_any_image_passes(write_warehouse: Writer) -> None:
    folder = write_warehouse(keep("cxr_study", pl.lit(False)), put("stay_index", *range(40), cxr_count=0))
    assert all(r.is_passed for r in gate_warehouse(folder, MORTALITY))


def test_a_truncated_table_is_named(write_warehouse: Writer) -> None:
    folder = write_warehouse()
    file = folder / "ehr_event.parquet"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ContractError, match="ehr_event.parquet: absent or not readable as Parquet"):
        gate_warehouse(folder, MORTALITY)


def test_a_column_of_another_type_is_named(write_warehouse: Writer) -> None:
    folder = write_warehouse()
    stay = pl.read_parquet(folder / "stay.parquet")
    stay.with_columns(pl.col("stay_id").cast(pl.Float64)).write_parquet(folder / "stay.parquet")
    with pytest.raises(ContractError, match="stay.parquet: column stay_id is double, expected int64"):
        gate_warehouse(folder, MORTALITY)


def test_an_absent_column_is_named(write_warehouse: Writer) -> None:
    folder = write_warehouse()
    stay = pl.read_parquet(folder / "stay.parquet")
    stay.drop("race").write_parquet(folder / "stay.parquet")
    with pytest.raises(ContractError, match="stay.parquet: column race is absent"):
        gate_warehouse(folder, MORTALITY)


def test_progress_counts_the_suites(write_warehouse: Writer) -> None:
    seen: list[tuple[int, int]] = []
    gate_warehouse(write_warehouse(), MORTALITY, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 10) for i in range(1, 11)]


def test_no_progress_bar_of_the_library_is_drawn(write_warehouse: Writer, capfd: pytest.CaptureFixture[str]) -> None:
    gate_warehouse(write_warehouse(), MORTALITY)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


def test_tensors_pass_only_with_their_shards_on_disk(tmp_path: Path) -> None:
    manifest().write_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(GateError, match="shard_is_on_disk .is_shard_present.: 40 of 40 stays"):
        gate_tensors(tmp_path, MORTALITY)


def test_a_shard_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    manifest().write_parquet(tmp_path / "manifest.parquet")
    for name in SHARDS:
        (tmp_path / name).touch()
    with pytest.raises(ContractError, match="test-00000.parquet: absent or not readable as Parquet"):
        gate_tensors(tmp_path, MORTALITY)


def test_predictions_on_train_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "predictions.parquet"
    prediction().write_parquet(file)
    assert gate_predictions(file, MORTALITY)[0].is_passed
    prediction().with_columns(pl.lit("train").alias("split")).write_parquet(file)
    with pytest.raises(GateError, match="split_is_held_out .split.: 2 of 2 rows"):
        gate_predictions(file, MORTALITY)


def test_a_gate_takes_a_file_of_the_rows_it_judges(tmp_path: Path) -> None:
    file = tmp_path / "frame.parquet"
    frame = pl.DataFrame(
        {"subject_id": [1, 2], "split": ["train", "test"], "is_val": [0.0, 0.0], "is_test": [0.0, 1.0]}
    )
    frame.write_parquet(file)
    limits = {f"{split}_share_{end}": float(end == "high") for split in ("val", "test") for end in ("low", "high")}
    assert run_gate("subject_split", file, parameters=limits, artifact="made up").is_passed
    with pytest.raises(ConfigError, match="parameters missing"):
        run_gate("subject_split", file, parameters={}, artifact="made up")


def test_a_frame_without_a_judged_column_fails_by_that_column() -> None:
    with pytest.raises(GateError, match="variable_is_given .variable.: could not be judged: no column"):
        run_gate("ehr_event", pl.DataFrame({"rows": [1]}), parameters={"variables": []}, artifact="made up")


def test_a_subject_in_two_splits_is_found_across_its_stays(write_warehouse: Writer) -> None:
    folder = write_warehouse(
        put("stay", 1, subject_id=100),
        put("stay_index", 1, subject_id=100, split="test"),
        put("cxr_study", 1, subject_id=100),
    )
    with pytest.raises(GateError, match="subject_is_in_one_split .splits_of_subject.: 2 of 40 samples"):
        gate_warehouse(folder, MORTALITY)


def test_a_duplicated_event_is_counted_with_its_channel(write_warehouse: Writer) -> None:
    with pytest.raises(GateError, match="one_value_per_time .rows_duplicate.: 1 channels break it"):
        gate_warehouse(write_warehouse(again("ehr_event", 639), put("stay_index", 37, ehr_event_count=18)), MORTALITY)


def test_importing_the_gate_loads_neither_great_expectations_nor_torch() -> None:
    code = (
        "import sys, medpatch.validate.gate; "
        "sys.stdout.write(' '.join({'great_expectations', 'torch', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_a_broken_rule_over_channels_counts_channels_not_rows(write_warehouse: Writer) -> None:
    with pytest.raises(GateError) as caught:
        gate_warehouse(write_warehouse(again("ehr_event", 639)), MORTALITY)
    assert "channels break it" in str(caught.value)
    assert "rows break it (one is variable" not in str(caught.value)


def test_progress_of_the_tensor_gate_moves_after_the_manifest(tmp_path: Path) -> None:
    manifest().write_parquet(tmp_path / "manifest.parquet")
    for name in SHARDS:
        (tmp_path / name).touch()
    seen: list[tuple[int, int]] = []
    with pytest.raises(ContractError, match="not readable as Parquet"):
        gate_tensors(tmp_path, MORTALITY, progress=lambda *step: seen.append(step))
    assert seen == [(1, 2)]
