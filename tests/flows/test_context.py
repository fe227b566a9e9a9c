"""From preset and raw files to the effective configuration."""

import logging
import shutil
from pathlib import Path

import pytest

from flows.start import start
from medpatch.config.error import ConfigError, RawDataError
from medpatch.config.name import Modality


def test_absent_notes_are_named_and_the_run_goes_on(
    tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "raw").mkdir()
    for part in ("mimiciv", "mimic-cxr-jpg"):
        (tmp_path / "raw" / part).symlink_to(tree / part)
    with caplog.at_level(logging.WARNING):
        run = start("tiny_phenotyping", raw_dir=tmp_path / "raw", work_dir=tmp_path / "work")
    assert run.config.modality.modalities == (Modality.EHR, Modality.CXR)
    assert run.dropped == ("rr", "dn")
    assert "rr, dn not found" in caplog.text


def test_dropping_a_modality_changes_the_folders(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for part in ("mimiciv", "mimic-iv-note", "MADE_UP.json"):
        (tmp_path / "raw" / part).symlink_to(tree / part)
    whole = start("tiny_phenotyping", raw_dir=tree, work_dir=tmp_path)
    without = start("tiny_phenotyping", raw_dir=tmp_path / "raw", work_dir=tmp_path)
    assert whole.tensor_dir != without.tensor_dir


def test_absent_raw_folder_says_which_setting_to_change(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match="MEDPATCH_RAW_DIR"):
        start("tiny_phenotyping", raw_dir=tmp_path / "nowhere", work_dir=tmp_path)


def test_absent_ehr_table_is_named(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree / "mimiciv", tmp_path / "raw" / "mimiciv")
    (tmp_path / "raw" / "mimiciv" / "icu" / "icustays.csv.gz").unlink()
    with pytest.raises(RawDataError, match="icustays"):
        start("tiny_phenotyping", raw_dir=tmp_path / "raw", work_dir=tmp_path)


def test_split_lists_change_the_folders(tree: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "valset_iv.csv").write_text("subject_id,flag\n")
    found = []
    for flag in (0, 1):
        (lists / "testset_iv.csv").write_text(f"subject_id,flag\n10000001,{flag}\n")
        overrides = {"split.list_dir": str(lists)}
        found.append(start("tiny_phenotyping", raw_dir=tree, work_dir=tmp_path, overrides=overrides).data_dir)
    assert found[0] != found[1]


def test_made_up_tree_is_known_as_made_up_and_has_an_oracle(tree: Path, tmp_path: Path) -> None:
    run = start("tiny_phenotyping", raw_dir=tree, work_dir=tmp_path)
    assert run.made_up is not None
    assert run.oracle_dir == tree / "oracle"


def test_arm_that_asks_for_absent_discharge_notes_is_refused(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "mimiciv").symlink_to(tree / "mimiciv")
    arm = {"modality.text_arms": ["with_discharge_note"]}
    with pytest.raises(ConfigError, match="with_discharge_note asks for discharge notes"):
        start("tiny_phenotyping", raw_dir=tmp_path / "raw", work_dir=tmp_path / "work", overrides=arm)


def test_folder_for_the_tables_must_hold_nothing_else(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    empty = start("tiny_phenotyping", raw_dir=tree, work_dir=tmp_path / "work", table_dir=tmp_path / "mine")
    assert empty.extracted_dir == tmp_path / "mine"
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="would be replaced"):
        start("tiny_phenotyping", raw_dir=tree, work_dir=tmp_path / "work", table_dir=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
