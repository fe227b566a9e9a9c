"""A rival with encoders that move: what is absent or padded is not read, also by the encoders, and learns nothing."""

from dataclasses import replace

import pytest
import torch

from medpatch.config.name import Modality, Rival
from medpatch.contract.batch import Batch
from medpatch.model.baseline.objective import rival_loss
from medpatch.model.build import build_unimodal
from medpatch.model.build_rival import NETWORK, build_rival
from medpatch.model.end_to_end import EndToEnd
from medpatch.model.feature import StayTokens
from model.factory import make_batch, make_config, make_spec

PATTERN = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]).bool()


def make_network(rival: Rival) -> EndToEnd:
    torch.manual_seed(0)
    config, spec = make_config(), make_spec()
    unimodal = {m: build_unimodal(config, spec, modality=m) for m in Modality}
    widths = {m: u.encoder.width for m, u in unimodal.items()}
    return EndToEnd(unimodal, build_rival(rival, config, spec=spec, raw_width=widths)).eval()


def with_rubbish(batch: Batch) -> Batch:
    """Other content wherever the mask says that nothing is real."""
    other = make_batch(batch.presence, seed=9)
    value = {
        m: torch.where(
            mask.view(*mask.shape, *[1] * (batch.value[m].dim() - mask.dim())), batch.value[m], other.value[m]
        )
        for m, mask in batch.mask.items()
    }
    return replace(batch, value=value)


@pytest.mark.parametrize("rival", [r for r in NETWORK if r is not Rival.AVAILABILITY])
def test_absent_and_padded_content_moves_no_logit_and_no_weight(rival):
    network, batch = make_network(rival), make_batch(PATTERN)
    found = []
    for one in (batch, with_rubbish(batch)):
        network.zero_grad(set_to_none=True)
        output = network(one, StayTokens(PATTERN, {}))
        rival_loss(output, batch.label).backward()
        found.append((output.logits.detach(), {n: w.grad for n, w in network.named_parameters() if w.grad is not None}))
    (logits, gradient), (other_logits, other_gradient) = found
    torch.testing.assert_close(other_logits, logits, atol=1e-5, rtol=1e-5)
    assert gradient.keys() == other_gradient.keys()
    for name, value in gradient.items():
        torch.testing.assert_close(other_gradient[name], value, atol=1e-5, rtol=1e-4, msg=name)


def test_gradients_of_joint_reach_every_encoder():
    network = make_network(Rival.JOINT)
    network(make_batch(PATTERN), StayTokens(PATTERN, {})).logits.square().sum().backward()
    for name, unimodal in network.unimodal.items():
        assert any(w.grad is not None and bool(w.grad.abs().sum() > 0) for w in unimodal.encoder.parameters()), name
