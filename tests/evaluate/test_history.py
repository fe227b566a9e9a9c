"""Training histories are read with the stage they belong to, and refused by name where they are broken."""

from pathlib import Path

import pytest

from medpatch.config.error import CheckpointError
from medpatch.evaluate.figure_history import read_histories


def test_histories_take_stage_and_modality_from_the_result_beside_them(tmp_path: Path) -> None:
    for name in ("unimodal-ehr", ".unimodal-cxr.7.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "history.json").write_text('[{"epoch": 0, "train_loss": 0.7}]')
        (tmp_path / name / "result.json").write_text('{"name": "unimodal ehr", "modality": "ehr"}')
    expected = [{"stage": "unimodal", "modality": "ehr", "epoch": 0, "train_loss": 0.7}]
    assert read_histories(tmp_path) == expected


def test_broken_history_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "fusion").mkdir()
    (tmp_path / "fusion" / "history.json").write_text("[")
    (tmp_path / "fusion" / "result.json").write_text('{"name": "fusion", "modality": null}')
    with pytest.raises(CheckpointError, match="fusion: unreadable history"):
        read_histories(tmp_path)
