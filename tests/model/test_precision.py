"""Under mixed precision every network still tells its logits in single precision."""

import pytest
import torch
from torch import Tensor

from medpatch.config.model import Compat, Fuser, Score
from medpatch.config.name import Modality, Rival
from medpatch.model.build import build_scorer
from medpatch.model.build_rival import NETWORK, build_rival
from medpatch.model.joint import ClasswiseJoint
from model.factory import RAW_WIDTH, make_batch, make_config, make_medpatch, make_spec, make_stay_tokens

PRESENCE = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 1], [0, 1, 1, 0]], dtype=torch.bool)

PUBLISHED = {"compat": Compat.PUBLISHED, "score": Score.CONFIDENCE, "high_share": None}


def is_rounded(logits: Tensor) -> bool:
    """Every number is one of bfloat16, which has eight bits for its digits."""
    return bool(torch.equal(logits.float(), logits.to(torch.bfloat16).float()))


@pytest.mark.parametrize("rival", list(NETWORK))
def test_logits_of_a_rival_are_not_rounded(rival: Rival) -> None:
    torch.manual_seed(0)
    network = build_rival(rival, make_config(), spec=make_spec(), raw_width=RAW_WIDTH).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = network(make_stay_tokens(PRESENCE))
    for logits in (output.logits, output.branch_logits):
        assert logits is None or (logits.dtype is torch.float32 and not is_rounded(logits))


@pytest.mark.parametrize("fuser", list(Fuser))
@pytest.mark.parametrize("form", [{}, PUBLISHED], ids=["repaired", "published"])
def test_logits_of_medpatch_are_not_rounded(fuser: Fuser, form: dict[str, object]) -> None:
    network = make_medpatch(make_config(fuser=fuser, threshold=0.55, **form))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = network(make_batch(PRESENCE))
    for logits in (output.high, output.low, output.late, output.missingness, *output.unimodal.values()):
        assert logits.dtype is torch.float32
        assert not is_rounded(logits)


@pytest.mark.parametrize("hidden_width", [0, 6])
def test_logits_of_tokens_are_not_rounded(hidden_width: int) -> None:
    torch.manual_seed(0)
    config = make_config(scorer_width=hidden_width)
    scorer = build_scorer(config, make_spec(), modality=Modality.EHR, width=8)
    last = scorer.predictor[-1] if hidden_width else scorer.predictor
    torch.nn.init.normal_(last.weight)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = scorer.predictor(torch.randn(2, 5, 8))
    assert logits.dtype is torch.float32
    assert not is_rounded(logits)


def test_what_one_modality_tells_the_classwise_joint_is_not_rounded() -> None:
    torch.manual_seed(0)
    joint = ClasswiseJoint(1, 3, width=8)
    pools, has_token = torch.randn(4, 1, 3, 8), torch.ones(4, 1, 3, dtype=torch.bool)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = joint(pools.bfloat16(), has_token, torch.ones(4, 1, 3))
    assert logits.dtype is torch.float32
    assert not is_rounded(logits)
