"""Losses against numbers of the published code and by hand."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import binary_cross_entropy_with_logits

from medpatch.contract.batch import FusionOutput
from medpatch.train.loss import label_loss, weighted_loss


def _golden(shared_dir: Path, name: str) -> dict[str, torch.Tensor]:
    path = shared_dir / "golden" / f"{name}.safetensors"
    if not path.exists():
        pytest.skip(f"reference file {path.name} is absent")
    return load_file(path)


def test_weighted_loss_matches_the_reference(shared_dir):
    t = _golden(shared_dir, "loss")
    heads = (t["high"], t["low"], t["late"])
    losses = torch.stack([label_loss(head, t["y"]) for head in heads])
    torch.testing.assert_close(losses, t["losses"])
    torch.testing.assert_close(weighted_loss(heads, t["y"], t["w"].softmax(0)), t["loss"])


@pytest.mark.parametrize("name", ["ehr", "cxr", "rr", "dn"])
def test_token_loss_matches_the_reference_where_nothing_is_padding(shared_dir, name):
    t = _golden(shared_dir, "confidence_C1")
    logits = t[f"{name}.logits"].unsqueeze(-1)
    mask = torch.ones(logits.shape[:2], dtype=torch.bool)
    found = token_loss(logits, t[f"{name}.y"].unsqueeze(-1), mask)
    torch.testing.assert_close(found, t[f"{name}.stage2_bce"])


def test_token_loss_leaves_padding_out():
    logits = torch.tensor([[[0.0], [50.0]]])
    found = token_loss(logits, torch.tensor([[0.0]]), torch.tensor([[True, False]]))
    assert found.item() == pytest.approx(math.log(2.0))


def test_fusion_loss_is_the_plain_mean_of_three_heads_and_the_late_one_without_joint():
    g = torch.Generator().manual_seed(0)
    high, low, late, label = (torch.rand(4, 2, generator=g) for _ in range(4))
    output = FusionOutput(high, low, late, {}, late)
    losses = [binary_cross_entropy_with_logits(head, label) for head in (high, low, late)]
    torch.testing.assert_close(fusion_loss(output, label), sum(losses) / 3)
    torch.testing.assert_close(fusion_loss(output, label, uses_joint=False), losses[2])
