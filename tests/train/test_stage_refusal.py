"""Stages with too little to train on, data of another run, or values that are not finite."""

import logging

import pytest
import torch

from medpatch.config.code import STAGE_CODE
from medpatch.config.error import CheckpointError, ConfigError
from medpatch.config.name import Modality, Split
from medpatch.contract.artifact import is_current
from medpatch.model.checkpoint import load_medpatch
from medpatch.train.result import read_history, read_result
from medpatch.train.stage_fusion import run_fusion
from train.stages import TENSORS, dirs, encode, silent, train_all, train_confidence, train_unimodal


def test_a_checkpoint_of_other_tensors_is_refused_by_the_next_stage(made_up, tmp_path):
    train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    encode(made_up, Modality.EHR, tmp_path / "f", tmp_path / "u")
    made_up.data = "tensors-b"
    with pytest.raises(CheckpointError, match="trained on tensors tensors-a"):
        encode(made_up, Modality.EHR, tmp_path / "g", tmp_path / "u")
    with pytest.raises(CheckpointError, match="features of ehr of tensors tensors-a"):
        train_confidence(made_up, Modality.EHR, tmp_path / "c", tmp_path / "f")
    assert not (tmp_path / "g").exists()
    assert not (tmp_path / "c").exists()


def test_modality_with_too_few_stays_is_dropped_by_name_and_the_run_goes_on(made_up, tmp_path, caplog):
    train = made_up.splits[Split.TRAIN]
    train.presence[3:, 1] = False
    with caplog.at_level(logging.WARNING):
        result = train_unimodal(made_up, Modality.CXR, tmp_path / "u")
    assert result.is_dropped
    assert "unimodal cxr dropped" in caplog.text
    assert read_result(tmp_path / "u") == result
    assert is_current(tmp_path / "u", inputs="i", packages=STAGE_CODE)
    folder = train_all(made_up, tmp_path / "rest", (Modality.EHR, Modality.DN))
    with torch.no_grad():
        late = load_medpatch(folder)(made_up.splits[Split.VAL]).late
    assert late.isfinite().all()


def test_modality_whose_labels_never_vary_is_dropped(made_up, tmp_path):
    made_up.splits[Split.TRAIN].label[:] = 0.0
    result = train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    assert result.is_dropped
    assert "one class" in result.reason


def test_label_with_one_class_in_val_is_skipped_and_counted(made_up, tmp_path, caplog):
    made_up.splits[Split.VAL].label[:, 0] = 0.0
    with caplog.at_level(logging.WARNING):
        result = train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    assert "1 label has one class" in caplog.text
    assert not result.is_dropped


def test_no_val_stay_with_the_modality_falls_back_to_the_train_loss(made_up, tmp_path):
    made_up.splits[Split.VAL].presence[:, 1] = False
    result = train_unimodal(made_up, Modality.CXR, tmp_path / "u")
    encode(made_up, Modality.CXR, tmp_path / "f", tmp_path / "u")
    train_confidence(made_up, Modality.CXR, tmp_path / "c", tmp_path / "f")
    assert not result.is_dropped
    assert read_history(tmp_path / "u")[0]["val_auroc"] is None


def test_nothing_to_fuse_is_a_clear_error(made_up, tmp_path):
    with pytest.raises(ConfigError, match="no modality is left"):
        run_fusion(
            made_up.config,
            TENSORS,
            out_dir=tmp_path / "f",
            earlier=dirs(tmp_path, ()),
            inputs="i",
            log_metric=silent,
        )


def test_failed_stage_leaves_nothing_behind(made_up, tmp_path):
    made_up.splits[Split.TRAIN].value[Modality.EHR][0, 0, 0] = float("nan")
    with pytest.raises(ConfigError, match="unimodal ehr, epoch 0: the loss or its gradient became nan"):
        train_unimodal(made_up, Modality.EHR, tmp_path / "out" / "u")
    assert list((tmp_path / "out").iterdir()) == []
