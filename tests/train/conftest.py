"""Stands a made-up cohort in for the tensors."""

import pytest

from medpatch.config.name import Split
from medpatch.train import stage_confidence, stage_fusion, stage_unimodal
from train.cohort import MadeUp, make_cohort, make_config

MODULES = (stage_unimodal, stage_confidence, stage_fusion)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """48 train and 32 val stays behind the functions that open tensors."""
    cohort = MadeUp(
        {
            Split.TRAIN: make_cohort(48, seed=1),
            Split.VAL: make_cohort(32, seed=2, first_id=100),
        },
        make_config(),
    )
    for module in MODULES:
        monkeypatch.setattr(module, "open_split", cohort.open)
        monkeypatch.setattr(module, "input_spec", cohort.spec)
    return cohort
