"""A batch in parts is the batch, whichever rival: what several processes on one batch rest on."""

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from medpatch.config.name import Rival
from medpatch.model.baseline.objective import rival_loss
from medpatch.model.build_rival import NETWORK, build_rival
from medpatch.model.feature import ModalityTokens, StayTokens
from model.factory import RAW_WIDTH, make_config, make_spec, make_stay_tokens


def _some(stay: StayTokens, index: Tensor) -> StayTokens:
    part = {
        m: ModalityTokens(**{f.name: getattr(one, f.name)[index] for f in fields(one)})
        for m, one in stay.modality.items()
    }
    return StayTokens(stay.presence[index], part)


@pytest.mark.parametrize("rival", list(NETWORK))
def test_gradient_of_a_batch_is_that_of_its_parts(rival: Rival) -> None:
    torch.manual_seed(0)
    spec = make_spec()
    presence = torch.rand(12, 4) < 0.6
    presence[:, 0] = True
    stay = make_stay_tokens(presence)
    label = (torch.rand(12, spec.label_count) < 0.4).float()
    network = build_rival(rival, make_config(), spec=spec, raw_width=RAW_WIDTH).eval()

    def gradient(*parts: Tensor) -> Tensor:
        network.zero_grad()
        for index in parts:
            loss = rival_loss(network(_some(stay, index)), label[index])
            (loss * len(index) / 12).backward()
        return torch.cat([w.grad.flatten() for w in network.parameters() if w.grad is not None])

    everyone = torch.arange(12)
    torch.testing.assert_close(gradient(everyone[:5], everyone[5:]), gradient(everyone), atol=1e-6, rtol=1e-4)
