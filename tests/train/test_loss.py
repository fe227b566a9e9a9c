"""Losses against numbers of the published code and by hand."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import binary_cross_entropy_with_logits

from medpatch.config.train import LossWeighting
from medpatch.contract.batch import FusionOutput
from medpatch.train.loss import HeadLoss, label_loss

NO_HEADS = torch.empty(0)


def _golden(shared_dir: Path, name: str) -> dict[str, torch.Tensor]:
    path = shared_dir / "golden" / f"{name}.safetensors"
    if not path.exists():
        pytest.skip(f"reference file {path.name} is absent")
    return load_file(path)


def test_published_loss_matches_the_reference(shared_dir):
    t = _golden(shared_dir, "loss")
    heads = (t["high"], t["low"], t["late"])
    losses = torch.stack([label_loss(head, t["y"]) for head in heads])
    torch.testing.assert_close(losses, t["losses"])
    head_loss = HeadLoss(LossWeighting.PUBLISHED)
    head_loss.value.data.copy_(t["w"])
    torch.testing.assert_close(head_loss(FusionOutput(*heads, {}, heads[2], NO_HEADS, NO_HEADS), t["y"]), t["loss"])


def made_up_output() -> tuple[FusionOutput, torch.Tensor, torch.Tensor]:
    """Logits of the heads, a label, and the three losses."""
    g = torch.Generator().manual_seed(0)
    high, low, late = (torch.randn(4, 2, generator=g) for _ in range(3))
    label = (torch.rand(4, 2, generator=g) < 0.5).float()
    losses = torch.stack([binary_cross_entropy_with_logits(head, label) for head in (high, low, late)])
    return FusionOutput(high, low, late, {}, late, NO_HEADS, NO_HEADS), label, losses


def test_fixed_loss_is_the_plain_mean_of_three_heads_and_the_late_one_without_joint():
    output, label, losses = made_up_output()
    torch.testing.assert_close(HeadLoss(LossWeighting.FIXED)(output, label), losses.mean())
    torch.testing.assert_close(HeadLoss(LossWeighting.FIXED, uses_joint=False)(output, label), losses[2])


@pytest.mark.parametrize("weighting", list(LossWeighting))
def test_epochs_are_compared_by_the_plain_mean_whatever_the_weighting(weighting):
    output, label, losses = made_up_output()
    torch.testing.assert_close(HeadLoss(weighting).eval()(output, label), losses.mean())


def settle(weighting: LossWeighting, losses: torch.Tensor, steps: int = 3000) -> HeadLoss:
    """Weights after many steps with losses that stay what they are."""
    head_loss = HeadLoss(weighting)
    optimizer = torch.optim.Adam(head_loss.parameters(), lr=1e-2)
    p = 1 - torch.exp(-losses)  # cross-entropy of a head that says p where the label is 0
    heads = [torch.logit(one).expand(1, 1) for one in p]
    output = FusionOutput(*heads, {}, heads[2], NO_HEADS, NO_HEADS)
    for _ in range(steps):
        optimizer.zero_grad()
        head_loss(output, torch.zeros(1, 1)).backward()
        optimizer.step()
    return head_loss


def test_learned_weights_settle_where_each_head_counts_one_half_over_its_loss():
    losses = torch.tensor([0.30, 0.32, 0.60])
    value = settle(LossWeighting.LEARNED, losses).value.detach()
    # d/ds of exp(-s) L + s / 2 is zero at exp(-s) = 1 / (2 L)
    torch.testing.assert_close(torch.exp(-value), 1 / (2 * losses), rtol=0.01, atol=0)


def test_published_weights_run_to_the_easiest_head():
    """Deviates: this is why fixed weights are the default."""
    value = settle(LossWeighting.PUBLISHED, torch.tensor([0.30, 0.32, 0.60])).value.detach()
    assert torch.softmax(value, dim=0)[0] > 0.9
