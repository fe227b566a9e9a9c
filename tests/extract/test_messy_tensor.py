"""Messy made-up tables, extracted and aligned: every shard stands before the tensor gate."""

from pathlib import Path

import polars as pl
import pytest

from medpatch.align.shard import write_shards
from medpatch.config.override import apply_overrides
from medpatch.config.preset import preset
from medpatch.validate.gate import gate_tensors

from .messy import messy_tables
from .test_messy import extracted

SEEDS = (1, 3)
"""In both a stay of no length has a measurement at its intime."""


@pytest.mark.parametrize("profile", ["published", "corrected"])
@pytest.mark.parametrize("task", ["in_hospital_mortality", "phenotyping"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_stay_of_messy_tables_passes_the_tensor_gate(seed: int, task: str, profile: str, tmp_path: Path) -> None:
    changes = {"cohort.profile": profile, "modality.modalities": ("ehr",)}
    config = apply_overrides(preset(task), changes)
    index = extracted(messy_tables(seed, subjects=60), config, tmp_path)["stay_index"]
    write_shards(tmp_path / "out", None, config=config, out_dir=tmp_path / "tensor", inputs="messy")

    listed, read_back = gate_tensors(tmp_path / "tensor", config)

    assert listed.is_passed
    assert read_back.is_passed
    if task == "phenotyping":
        assert index["window_hours"].min() == pytest.approx(0.0)
    steps = pl.read_parquet(tmp_path / "tensor" / "manifest.parquet").filter(pl.col("has_ehr"))["ehr_steps"]
    assert len(steps) == len(index)
    assert steps.min() >= 1
