"""A compiled encoder leaves what an eager one leaves, under the same names."""

import os
import shutil
import sysconfig
from pathlib import Path

import pytest
import torch
from train.cohort import IMAGE_PX, MadeUp
from train.stages import TENSORS

from medpatch.config.error import ConfigError
from medpatch.config.name import Modality, Split
from medpatch.feature.compiled import compiled
from medpatch.feature.encode import write_features
from medpatch.feature.split import open_features
from medpatch.model.backbone import restore_backbone
from medpatch.model.build import build_unimodal
from medpatch.model.unimodal import Unimodal

BODY = {
    "model_type": "vit",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": IMAGE_PX,
    "patch_size": 8,
}


@pytest.fixture
def compiler() -> None:
    """What torch.compile builds its CPU kernels with."""
    name = os.environ.get("CXX", "g++")
    if shutil.which(name) is None:
        pytest.skip(f"no C++ compiler: {name} not found")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        pytest.skip("no headers of Python to compile against")


def write(made_up: MadeUp, tmp_path: Path, *, is_compiled: bool) -> Path:
    encoder = made_up.config.model.encoder.model_copy(update={"cxr_name": str(tmp_path / "body")})
    model = made_up.config.model.model_copy(update={"encoder": encoder})
    train = made_up.config.train.model_copy(update={"compile_encoders": is_compiled})
    config = made_up.config.model_copy(update={"model": model, "train": train})
    folder = tmp_path / f"feature-{is_compiled}"
    write_features(config, TENSORS, modality=Modality.CXR, out_dir=folder, unimodal_dir=None, inputs="i")
    return folder


def network_of(made_up: MadeUp) -> Unimodal:
    spec, _ = made_up.spec(TENSORS)
    return build_unimodal(made_up.config.model, spec, modality=Modality.CXR, backbone=BODY)


def test_compiled_pass_leaves_the_tokens_of_an_eager_one(made_up, tmp_path, compiler):
    restore_backbone(BODY).save_pretrained(tmp_path / "body")
    for batch in made_up.splits.values():  # as many radiographs in each split: another count compiles once more
        batch.presence[:, 1] = batch.mask[Modality.CXR][:] = torch.arange(len(batch.label)) < 9
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    eager, other = (write(made_up, tmp_path, is_compiled=wanted) for wanted in (False, True))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before
    for split in Split:
        one, two = (open_features(f, Modality.CXR, data=made_up.data).split(split) for f in (eager, other))
        assert torch.equal(one.stay_id, two.stay_id)
        torch.testing.assert_close(two.pooled, one.pooled, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(two.tokens.row, one.tokens.row, atol=1e-5, rtol=1e-5)


def test_compiling_changes_no_name_of_a_weight(made_up):
    network = network_of(made_up)
    before = list(network.state_dict())
    with compiled(network, is_wanted=True):
        assert list(network.state_dict()) == before
    assert network.encoder.backbone._compiled_call_impl is not None


def test_nothing_is_compiled_unasked(made_up):
    network = network_of(made_up)
    with compiled(network, is_wanted=False):
        assert network.encoder.backbone._compiled_call_impl is None


def test_a_body_that_cannot_be_compiled_names_the_setting(made_up):
    network = network_of(made_up)
    message = r"train\.compile_encoders: the cxr encoder .* \(no compiler\)"
    with pytest.raises(ConfigError, match=message), compiled(network, is_wanted=True):
        raise torch._dynamo.exc.InternalTorchDynamoError("no compiler")
