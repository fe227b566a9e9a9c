"""Extraction alone, to a folder of one's own."""

from pathlib import Path

import polars as pl
import pytest

from flows.extract import extract
from medpatch.config.preset import PresetName
from medpatch.validate.gate import GateError, GateResult

COLUMNS = {
    "stay": "subject_id hadm_id stay_id intime outtime los_hours age_years gender race in_hospital_mortality "
    "first_careunit",
    "label_in_hospital_mortality": "stay_id label",
    "label_phenotype": "stay_id phenotype label",
    "ehr_event": "stay_id hours_after_intime variable value value_text",
    "subject_split": "subject_id split",
}
ARMS = {"modality.text_arms": ["radiology_without_cxr_reports", "reports_known_by_window_end"]}


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def extracted(tree: Path, work_dir: Path, out: Path, **overrides: object) -> dict[str, pl.DataFrame]:
    extract(PresetName.phenotyping, raw_dir=tree, work_dir=work_dir, overrides=overrides, table_dir=out)
    return {file.stem: pl.read_parquet(file) for file in out.glob("*.parquet")}


def test_tables_are_left_in_the_folder_with_the_columns_of_their_contract(
    tree: Path, prefect_server: None, work_dir: Path, tmp_path: Path
) -> None:
    tables = extracted(tree, work_dir, tmp_path / "out")

    assert {*COLUMNS, "stay_criterion", "cohort_attrition", "cxr_study", "radiology_report", "discharge_note"} <= set(
        tables
    )
    for name, columns in COLUMNS.items():
        assert tables[name].columns == columns.split()
    for name, time in (("cxr_study", "studytime"), ("radiology_report", "storetime"), ("discharge_note", "charttime")):
        assert tables[name].height > 0
        assert {"stay_id", time, "hours_after_intime", "reason"} <= set(tables[name].columns)
    samples = set(tables["stay_index"]["stay_id"])
    assert set(tables["label_phenotype"]["stay_id"]) == samples
    assert tables["stay_criterion"].height > tables["stay"].height >= len(samples)


def test_tables_that_fail_the_gate_do_not_take_the_place_of_good_ones(
    tree: Path, prefect_server: None, work_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    extracted(tree, work_dir, out)
    before = {file.name: file.read_bytes() for file in out.iterdir()}

    def refuse(*_: object, **__: object) -> list[GateResult]:
        raise GateError("refused", [])

    with monkeypatch.context() as patch:
        patch.setattr("flows.extract.gate_warehouse", refuse)
        with pytest.raises(GateError, match="refused"):
            extracted(tree, work_dir, out, **ARMS, **{"cohort.min_age_years": 40})
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before

    after = extracted(tree, work_dir, out, **ARMS, **{"cohort.min_age_years": 40})
    assert after["stay"]["age_years"].min() >= 40
    assert {file.name for file in out.iterdir()} == set(before)


def test_arms_leave_reports_out(tree: Path, prefect_server: None, work_dir: Path, tmp_path: Path) -> None:
    whole = extracted(tree, work_dir, tmp_path / "whole")["radiology_report"]
    arm = extracted(tree, work_dir, tmp_path / "arm", **ARMS)["radiology_report"]

    assert 0 < arm.height < whole.height
    assert whole["text"].str.contains("CHEST").any()
    assert not arm["text"].str.contains("CHEST").any()
    assert arm["reason"].str.ends_with("in the window").all()


def test_arm_of_known_reports_drops_those_stored_after_the_window(
    tree: Path, prefect_server: None, work_dir: Path, tmp_path: Path
) -> None:
    known = {"modality.text_arms": ["reports_known_by_window_end"]}
    # within the whole stay, as the arm has it: charted inside, stored inside
    arm = extracted(tree, work_dir, tmp_path / "arm", **known)
    whole = extracted(tree, work_dir, tmp_path / "whole")["radiology_report"]
    inside = whole.filter(pl.col("reason").str.ends_with(", in the window"))
    end = arm["stay"].select("stay_id", window_end="outtime")
    late = inside.join(end, on="stay_id").filter(pl.col("storetime") > pl.col("window_end"))
    assert late.height > 0
    assert not set(late["note_id"]) & set(arm["radiology_report"]["note_id"])
    assert arm["radiology_report"].height == inside.height - late.height
