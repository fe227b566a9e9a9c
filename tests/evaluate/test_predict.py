"""From trained weights and shards to a whole prediction table; the head is chosen without the test split."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from align.warehouse import HEART_RATE, write_image, write_warehouse

from evaluate.untrained import Made, make_models
from medpatch.align.shard import write_shards
from medpatch.config.cohort import CohortConfig
from medpatch.config.error import CheckpointError, ContractError
from medpatch.config.modality import ModalityConfig, Scaling
from medpatch.config.model import TINY, EncoderConfig, ModelConfig
from medpatch.config.name import Modality, Rival, Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import CacheType, EvaluateConfig, Head, TrainConfig
from medpatch.data.dataset import ShardDataset
from medpatch.data.loader import make_loader
from medpatch.data.spec import tensor_spec
from medpatch.evaluate.forward import SplitLogits
from medpatch.evaluate.predict import choose_head, predict_all
from medpatch.evaluate.prediction import SplitPrediction, read_predictions
from medpatch.model.checkpoint import DESCRIPTION, load_medpatch

MODALITIES = (Modality.EHR, Modality.CXR, Modality.RR)
STAYS = {s: "test" if s % 3 == 0 else "val" if s % 3 == 1 else "train" for s in range(30)}
WITH_CXR = {s: f"{s}.png" for s in STAYS if s % 4 < 2}
CONFIG = PipelineConfig(
    cohort=CohortConfig(task=Task.IN_HOSPITAL_MORTALITY, window_hours=4),
    modality=ModalityConfig(
        modalities=MODALITIES,
        scaling=Scaling.TRAIN,
        image_size_px=16,
        note_tokenizer=TINY,
        note_chunk_tokens=8,
        shard_stays=4,
    ),
    model=ModelConfig(encoder=EncoderConfig(ehr_width=8, cxr_name=TINY, note_name=TINY, width=8)),
    train=TrainConfig(device="cpu", cache_type=CacheType.FLOAT32),
    evaluate=EvaluateConfig(rivals=(Rival.EARLY, Rival.JOINT, Rival.ENSEMBLE, Rival.STACKING)),
)


@pytest.fixture(scope="module")
def tensor_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict")
    for stay, name in WITH_CXR.items():
        write_image(folder / "cxr" / name, stay)
    write_warehouse(
        folder / "mart",
        STAYS,
        hours=4.0,
        events=[(s, 1.0, HEART_RATE, 60.0 + s) for s in STAYS],
        images=WITH_CXR,
        rr=[(s, 0, "clear lungs") for s in STAYS],
        positive=[s for s in STAYS if s % 5 == 0],
    )
    write_shards(folder / "mart", folder / "cxr", config=CONFIG, out_dir=folder / "tensor", inputs="made-up")
    return folder / "tensor"


@pytest.fixture(scope="module")
def made(tensor_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_models(tensor_dir, tmp_path_factory.mktemp("checkpoint"), CONFIG)


@pytest.fixture(scope="module")
def test_split(made: Made, tensor_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> SplitPrediction:
    target = tmp_path_factory.mktemp("prediction") / "4_prediction"
    path = predict_all(made.models, made.earlier, tensor_dir=tensor_dir, config=CONFIG, target=target, inputs="made-up")
    return read_predictions(path, Split.TEST, label_names=CONFIG.labels)


@pytest.mark.parametrize("is_tuned", [False, True])
def test_medpatch_from_the_cache_is_medpatch_from_the_tensors(
    made: Made, tensor_dir: Path, tmp_path: Path, is_tuned: bool
) -> None:
    config = CONFIG.model_copy(update={"train": CONFIG.train.model_copy(update={"fine_tune": is_tuned})})
    path = predict_all(
        made.models, made.earlier, tensor_dir=tensor_dir, config=config, target=tmp_path / "out", inputs="x"
    )
    found = read_predictions(path, Split.TEST, label_names=CONFIG.labels).models["medpatch"].logit
    batches = make_loader(ShardDataset(tensor_dir, Split.TEST), batch_size=64, shuffle=False, seed=0)
    network = load_medpatch(made.models["medpatch"])
    with torch.no_grad():
        expected = torch.cat([network(batch).late for batch in batches])
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_every_model_predicts_every_test_stay(test_split: SplitPrediction) -> None:
    assert test_split.stay_id.tolist() == [s for s, split in STAYS.items() if split == "test"]
    assert set(test_split.models) == {
        "medpatch", "medpatch_high", "medpatch_low", "late", "early", "joint", "ensemble", "stacking",
        "unimodal_ehr", "unimodal_cxr", "unimodal_rr",
        "medpatch_without_ehr", "medpatch_without_cxr", "medpatch_without_rr",
    }  # fmt: skip


def test_unimodal_model_says_the_train_prevalence_where_it_has_no_input(
    test_split: SplitPrediction, tensor_dir: Path
) -> None:
    found = test_split.models["unimodal_cxr"]
    assert found.is_available.tolist() == [s in WITH_CXR for s in test_split.stay_id]
    np.testing.assert_allclose(found.probability[~found.is_available], tensor_spec(tensor_dir).prevalence[0])


def test_late_fusion_is_the_mean_of_the_models_that_have_input(test_split: SplitPrediction) -> None:
    """Deviates from the published late fusion, which also averages over absent modalities."""
    singles = [test_split.models[f"unimodal_{m}"] for m in MODALITIES]
    logit = np.array([m.logit for m in singles])
    there = np.array([m.is_available for m in singles])[:, :, None]
    expected = (logit * there).sum(axis=0) / there.sum(axis=0)
    np.testing.assert_allclose(test_split.models["late"].logit, expected, atol=1e-9)


def test_probability_is_the_sigmoid_of_the_logit(test_split: SplitPrediction) -> None:
    for found in test_split.models.values():
        np.testing.assert_allclose(found.probability, 1 / (1 + np.exp(-found.logit)), atol=1e-12)


def test_high_head_is_reported_when_the_configuration_says_so(made: Made, tensor_dir: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"evaluate": CONFIG.evaluate.model_copy(update={"head": Head.HIGH})})
    path = predict_all(
        made.models, made.earlier, tensor_dir=tensor_dir, config=config, target=tmp_path / "out", inputs="made-up"
    )
    models = read_predictions(path, Split.TEST, label_names=config.labels).models
    np.testing.assert_array_equal(models["medpatch"].logit, models["medpatch_high"].logit)
    assert "medpatch_late" in models
    assert json.loads((path.parent / "head.json").read_text()) == {"head": "high", "chosen_by": "configuration"}


def test_without_joint_module_no_high_or_low_head_is_predicted(tensor_dir: Path, tmp_path: Path) -> None:
    fusion = CONFIG.model.fusion.model_copy(update={"use_joint": False})
    config = CONFIG.model_copy(
        update={
            "model": CONFIG.model.model_copy(update={"fusion": fusion}),
            "evaluate": EvaluateConfig(rivals=(), head=Head.VALIDATION),
        }
    )
    made = make_models(tensor_dir, tmp_path / "models", config)
    target = tmp_path / "prediction"
    path = predict_all(made.models, made.earlier, tensor_dir=tensor_dir, config=config, target=target, inputs="made-up")
    names = set(read_predictions(path, Split.TEST, label_names=config.labels).models)
    assert "medpatch" in names
    assert not {"medpatch_high", "medpatch_low"} & names


def test_batch_size_changes_nothing(test_split: SplitPrediction, made: Made, tensor_dir: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"evaluate": CONFIG.evaluate.model_copy(update={"batch_size": 3})})
    path = predict_all(
        made.models, made.earlier, tensor_dir=tensor_dir, config=config, target=tmp_path / "out", inputs="made-up"
    )
    again = read_predictions(path, Split.TEST, label_names=config.labels)
    for model, found in test_split.models.items():
        np.testing.assert_allclose(again.models[model].logit, found.logit, atol=1e-5)


def test_progress_ends_at_its_total(made: Made, tensor_dir: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    predict_all(
        made.models,
        made.earlier,
        tensor_dir=tensor_dir,
        config=CONFIG,
        target=tmp_path / "out",
        inputs="x",
        progress=lambda *step: seen.append(step),
    )
    assert seen == [(1, 2), (2, 2)]


def test_run_without_medpatch_is_refused_and_nothing_is_written(made: Made, tensor_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint, no MedPatch"):
        predict_all({}, made.earlier, tensor_dir=tensor_dir, config=CONFIG, target=tmp_path / "out", inputs="x")
    assert not (tmp_path / "out").exists()


def test_checkpoint_of_other_tensors_is_refused(made: Made, tmp_path: Path, tensor_dir: Path) -> None:
    other = tmp_path / "tensor"
    write_warehouse(tmp_path / "mart", STAYS, hours=4.0, events=[(s, 1.0, HEART_RATE, 60.0) for s in STAYS])
    write_shards(tmp_path / "mart", tmp_path, config=CONFIG, out_dir=other, inputs="other")
    with pytest.raises(CheckpointError, match="trained on tensors"):
        predict_all(made.models, made.earlier, tensor_dir=other, config=CONFIG, target=tmp_path / "out", inputs="x")


def test_checkpoint_of_another_label_is_refused_by_name(made: Made, tmp_path: Path, tensor_dir: Path) -> None:
    shutil.copytree(made.models["medpatch"], tmp_path / "other")
    text = json.loads((tmp_path / "other" / DESCRIPTION).read_text())
    text["spec"]["label_names"] = ["Shock"]
    (tmp_path / "other" / DESCRIPTION).write_text(json.dumps(text))
    models = made.models | {"medpatch": tmp_path / "other"}
    with pytest.raises(CheckpointError, match="label 0 is 'Shock'.* it is 'in-hospital mortality'"):
        predict_all(models, made.earlier, tensor_dir=tensor_dir, config=CONFIG, target=tmp_path / "out", inputs="x")


def test_empty_test_split_is_refused(tmp_path: Path) -> None:
    stays = {s: split for s, split in STAYS.items() if split != "test"}
    write_warehouse(tmp_path / "mart", stays, hours=4.0, events=[(s, 1.0, HEART_RATE, 60.0) for s in stays])
    write_shards(tmp_path / "mart", tmp_path, config=CONFIG, out_dir=tmp_path / "tensor", inputs="other")
    made = make_models(tmp_path / "tensor", tmp_path / "checkpoint", CONFIG)
    with pytest.raises(ContractError, match="the test split has no stay"):
        predict_all(
            made.models,
            made.earlier,
            tensor_dir=tmp_path / "tensor",
            config=CONFIG,
            target=tmp_path / "out",
            inputs="x",
        )


def val_logits(**skill: float) -> SplitLogits:
    random = np.random.default_rng(0)
    label = (random.random((300, 1)) < 0.3).astype(np.int8)
    logit = {f"medpatch_{head}": random.normal(size=label.shape) + s * label for head, s in skill.items()}
    return SplitLogits(np.arange(300), np.arange(300), label, logit, dict.fromkeys(logit, np.ones(300, bool)))


def choosing(head: Head) -> PipelineConfig:
    return CONFIG.model_copy(update={"evaluate": CONFIG.evaluate.model_copy(update={"head": head})})


def test_validation_chooses_the_best_head_only_when_asked() -> None:
    val = val_logits(late=0.5, high=3.0, low=1.0)
    assert choose_head(choosing(Head.VALIDATION), val) is Head.HIGH
    assert choose_head(choosing(Head.LATE), val) is Head.LATE


def test_every_validation_stay_helps_to_choose_the_head() -> None:
    config = choosing(Head.VALIDATION)
    for best, other in ((Head.LATE, Head.HIGH), (Head.HIGH, Head.LATE)):
        val = val_logits(late=0.0, high=0.0)
        val.logit[f"medpatch_{best}"][:] = val.label
        val.logit[f"medpatch_{other}"][:] = val.label
        val.logit[f"medpatch_{other}"][np.flatnonzero(val.label[:, 0])[0]] = -1.0  # one stay of all of them
        assert choose_head(config, val) is best


def test_head_cannot_be_chosen_on_one_class_so_late_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    val = val_logits(late=0.5, high=3.0, low=1.0)
    val.label[:] = 0
    assert choose_head(choosing(Head.VALIDATION), val) is Head.LATE
    assert "late head is reported" in caplog.text
