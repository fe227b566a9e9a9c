"""Which encoder a name stands for: its weights decide, and with them the folder of all that it left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from flows.context import RunContext
from medpatch.config.model import EncoderConfig
from medpatch.config.name import Modality
from medpatch.config.part import frozen_part, part_digest
from medpatch.config.path import PathConfig
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import phenotyping
from medpatch.extract.source import RawSource
from medpatch.model.revision import backbone_revision

WEIGHTS = "model.safetensors"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """A process looks a name up once."""
    backbone_revision.cache_clear()
    yield
    backbone_revision.cache_clear()


def save_bert(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    body = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    transformers.BertModel(body).save_pretrained(folder)
    return folder


def config_of(folder: Path, *, is_frozen: bool) -> PipelineConfig:
    config = phenotyping()
    encoder = EncoderConfig(cxr_name="tiny", note_name=str(folder), is_note_frozen=is_frozen)
    return config.model_copy(update={"model": config.model.model_copy(update={"encoder": encoder})})


def feature_dir_of(config: PipelineConfig, modality: Modality, work_dir: Path) -> Path:
    """As a new process finds it."""
    backbone_revision.cache_clear()
    paths = PathConfig(raw_dir=work_dir / "raw", work_dir=work_dir, tracking_uri="unused")
    source = RawSource(paths.raw_dir, cxr_dir=None, note_dir=None, release="3.1", made_up=None)
    return RunContext("made up", config, paths, source, raw_fingerprint="raw", dropped=()).feature_dir(modality)


def change_one_weight(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["embeddings.word_embeddings.weight"][3, 3] += 1e-3
    save_file(weights, folder / WEIGHTS, {"format": "pt"})


def test_folders_of_other_weights_have_other_revisions_and_those_of_the_same_the_same(tmp_path: Path) -> None:
    one, again, other = (save_bert(tmp_path / name, seed) for name, seed in (("one", 0), ("again", 0), ("other", 1)))
    assert backbone_revision(str(one)) == backbone_revision(str(again))
    assert backbone_revision(str(one)) != backbone_revision(str(other))


def test_one_weight_is_enough_for_another_revision(tmp_path: Path) -> None:
    before = backbone_revision(str(save_bert(tmp_path / "bert", 0)))
    change_one_weight(tmp_path / "bert")
    backbone_revision.cache_clear()
    assert backbone_revision(str(tmp_path / "bert")) != before


def test_what_keys_the_features_of_a_frozen_encoder_holds_its_revision(tmp_path: Path) -> None:
    config = config_of(tmp_path / "bert", is_frozen=True)
    one, again, other = (
        part_digest(frozen_part(config, Modality.RR, revision=revision)) for revision in ("a", "a", "b")
    )
    assert one == again != other


@pytest.mark.parametrize("is_frozen", [True, False])
def test_features_of_other_weights_under_the_same_name_lie_in_another_folder(tmp_path: Path, is_frozen: bool) -> None:
    folder = save_bert(tmp_path / "bert", 0)
    config = config_of(folder, is_frozen=is_frozen)
    before = feature_dir_of(config, Modality.RR, tmp_path)
    assert feature_dir_of(config, Modality.RR, tmp_path) == before
    change_one_weight(folder)
    assert feature_dir_of(config, Modality.RR, tmp_path) != before
