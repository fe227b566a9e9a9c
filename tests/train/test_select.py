"""What chooses the epoch of an encoder."""

from pathlib import Path

import pytest
from align.warehouse import HEART_RATE, write_warehouse

from medpatch.align.shard import write_shards
from medpatch.config.cohort import CohortConfig
from medpatch.config.modality import ModalityConfig, Scaling
from medpatch.config.model import EncoderConfig, ModelConfig
from medpatch.config.name import Modality, Stage, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import PRESETS, preset
from medpatch.config.train import Select, TrainConfig
from medpatch.train.job import Job
from medpatch.train.launch import run_job
from medpatch.train.result import read_history, read_result

STAYS = {s: "test" if s % 6 == 0 else "val" if s % 6 == 1 else "train" for s in range(120)}


def chosen(tmp_path: Path, select: Select) -> tuple[float, list[dict]]:
    """The kept epoch and all of them, on a cohort whose labels follow the heart rate by half."""
    config = PipelineConfig(
        cohort=CohortConfig(task=Task.IN_HOSPITAL_MORTALITY, window_hours=4),
        modality=ModalityConfig(modalities=(Modality.EHR,), scaling=Scaling.TRAIN),
        model=ModelConfig(encoder=EncoderConfig(ehr_width=8, width=8)),
        train=TrainConfig(
            device="cpu", batch_size=16, unimodal_epochs=12, learning_rate=5e-2, patience_epochs=12, seed=4,
            unimodal_select=select,
        ),
    )  # fmt: skip
    write_warehouse(
        tmp_path / "mart",
        STAYS,
        hours=4.0,
        events=[(s, 1.0, HEART_RATE, 60.0 + 7 * (s % 9)) for s in STAYS],
        positive=[s for s in STAYS if s * s % 11 + s % 9 > 9],
    )
    write_shards(tmp_path / "mart", None, config=config, out_dir=tmp_path / "tensor", inputs="made-up")
    job = Job(Stage.UNIMODAL, config, tmp_path / "tensor", tmp_path / str(select), "i", modality=Modality.EHR)
    run_job(job, log_metric=lambda *_: None)
    return read_result(job.out_dir).best["epoch"], read_history(job.out_dir)


@pytest.mark.parametrize(("select", "is_best"), [(Select.LOSS, True), (Select.AUROC, False)])
def test_encoder_keeps_the_epoch_that_is_asked_for(tmp_path: Path, select: Select, is_best: bool) -> None:
    epoch, history = chosen(tmp_path, select)
    lowest = min(history, key=lambda record: record["val_loss"])
    highest = max(history, key=lambda record: (record["val_auroc"], -record["val_loss"]))
    assert lowest["epoch"] != highest["epoch"]  # else this would show nothing
    assert epoch == (lowest if is_best else highest)["epoch"]


def test_the_loss_chooses_where_there_is_one_rare_label() -> None:
    chosen_by = {name: preset(name).train.unimodal_select for name in PRESETS}
    assert {name for name, select in chosen_by.items() if select is Select.LOSS} == {
        "in_hospital_mortality",
        "tiny_in_hospital_mortality",
    }
