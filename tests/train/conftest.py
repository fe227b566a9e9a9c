"""Stands a made-up cohort in for the tensors."""

import pytest

from medpatch.config.name import Split
from medpatch.feature import encode, pool
from medpatch.train import stage_confidence, stage_fusion, stage_rival, stage_unimodal
from train.cohort import MadeUp, make_cohort, make_config

MODULES = (encode, pool, stage_unimodal, stage_confidence, stage_fusion, stage_rival)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """48 train, 32 val and 16 test stays behind the functions that open tensors."""
    cohort = MadeUp(
        {
            Split.TRAIN: make_cohort(48, seed=1),
            Split.VAL: make_cohort(32, seed=2, first_id=100),
            Split.TEST: make_cohort(16, seed=3, first_id=200),
        },
        make_config(),
    )
    for module in MODULES:
        for name, stand_in in (("open_split", cohort.open), ("input_spec", cohort.spec), ("open_index", cohort.index)):
            monkeypatch.setattr(module, name, stand_in, raising=False)
    return cohort
