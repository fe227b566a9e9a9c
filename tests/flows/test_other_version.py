"""A work folder that another version of medpatch left: nothing of it is read, all of it is made again."""

import json
from pathlib import Path

import polars as pl
import pytest

from flows.pipeline import full_pipeline
from flows.start import settle
from medpatch.config.path import code_digest
from medpatch.config.preset import PresetName
from medpatch.contract.artifact import DESCRIPTION, written_folders

PRESET = PresetName.tiny_in_hospital_mortality
QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "evaluate.bootstrap_resamples": 20,
    "evaluate.rivals": [],
}
ASKING = ("contract.artifact", "align.reuse", "extract.reuse", "train.session")
"""Who asks for the digest of the code."""
OTHER_SHAPE = '{"version": 0, "pids": [1]}'


def _run(tree: Path, work_dir: Path) -> pl.DataFrame:
    full_pipeline(PRESET, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    run = settle(PRESET, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    return pl.read_parquet(run.prediction_dir / "predictions.parquet").sort("model", "split", "stay_id", "label_name")


def _older(packages: tuple[str, ...]) -> str:
    return f"older-{code_digest(packages)}"


def _folders(work_dir: Path) -> list[Path]:
    """The finished ones; what lies in MLflow's store is a copy."""
    return [folder for place in sorted(work_dir.glob("*-*")) for folder in written_folders(place)]


def _codes(work_dir: Path) -> set[bool]:
    """Whether the finished folders are of the older version."""
    found = [json.loads((folder / DESCRIPTION).read_text())["code"] for folder in _folders(work_dir)]
    return {code.startswith("older-") for code in found}


@pytest.mark.timeout(400)
@pytest.mark.long
def test_a_whole_work_folder_of_another_version_is_made_again(tree: Path, prefect_server: None, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with pytest.MonkeyPatch.context() as patch:
        for place in (*(f"medpatch.{name}" for name in ASKING), "flows.finished"):
            patch.setattr(f"{place}.code_digest", _older)
        expected = _run(tree, work)
    assert _codes(work) == {True}
    # its formats are unreadable: same sizes, other bytes
    files = {
        file for folder in _folders(work) for file in folder.rglob("*") if file.is_file() and file.name != DESCRIPTION
    }
    for file in files:
        file.write_bytes(b"?" * file.stat().st_size)
    for record in (*work.glob("run-*/mlflow_*.json"), *work.glob("service/*/*.json")):
        record.write_text(OTHER_SHAPE)
    (work / "service" / "services.json").write_text(OTHER_SHAPE)
    [encoder] = work.glob("encoder-*")
    (encoder / ".unimodal-ehr.state").write_bytes(b"?" * 64)

    assert _run(tree, work).equals(expected)
    assert _codes(work) == {False}
    assert not any(file.read_bytes().startswith(b"??") for file in files if file.is_file())
