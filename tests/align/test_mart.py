"""Mart tables that are absent, not needed, or break what alignment relies on."""

from pathlib import Path

import pytest

from align.warehouse import EVENTS, STAYS, align, tiny_config, write_table, write_warehouse
from medpatch.config.error import ConfigError, ContractError
from medpatch.config.name import Modality
from medpatch.contract.table import warehouse_file

EHR, CXR, RR, DN = Modality


def test_tables_of_modalities_that_the_run_leaves_out_are_not_needed(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "mart", STAYS, events=EVENTS)
    for name in ("cxr_study", "radiology_report", "discharge_note"):
        (tmp_path / "mart" / warehouse_file(name)).unlink()
    assert align(tmp_path, tiny_config(EHR)).presence_count["test"] == {"ehr": 1}


def test_an_absent_table_is_named(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "mart", STAYS)
    (tmp_path / "mart" / warehouse_file("ehr_event")).unlink()
    with pytest.raises(ContractError, match="mart table 'ehr_event' is absent; run extract"):
        align(tmp_path, tiny_config(EHR))


def test_radiographs_without_their_folder_are_refused(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "mart", STAYS)
    with pytest.raises(ConfigError, match="cxr needs the MIMIC-CXR-JPG folder"):
        align(tmp_path, tiny_config(EHR, CXR))


def test_an_empty_cohort_is_refused(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "mart", {})
    with pytest.raises(ContractError, match="no stay is left to align"):
        align(tmp_path, tiny_config(EHR))


@pytest.mark.parametrize(
    ("table", "rows", "message"),
    [
        ("stay_index", [{"stay_id": 3, "split": "train", "window_hours": 1.0}] * 2, "several rows"),
        ("stay_index", [{"stay_id": 3, "split": "dev", "window_hours": 1.0}], "split other than"),
        ("stay_index", [{"stay_id": 3, "split": "train"}], "no window_hours"),
        ("label_in_hospital_mortality", [{"stay_id": 3, "label": 0}], "4 of 5 stays lack a label"),
        ("label_in_hospital_mortality", [{"stay_id": 3, "label": 2}], "other than 0 or 1"),
        ("label_in_hospital_mortality", [{"stay_id": 3, "label": 1}] * 2, "the same label twice"),
        ("cxr_study", [{"stay_id": 3, "image_path": "a"}] * 2, "1 stays have several images"),
    ],
)
def test_a_table_that_breaks_its_grain_is_refused(tmp_path: Path, table: str, rows: list[dict], message: str) -> None:
    write_warehouse(tmp_path / "mart", STAYS)
    write_table(tmp_path / "mart", table, rows)
    with pytest.raises(ContractError, match=message):
        align(tmp_path, tiny_config(CXR), cxr_dir=tmp_path)
