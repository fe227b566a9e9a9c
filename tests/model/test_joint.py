"""Joint, missingness and ablations: what each head is made of, with numbers worked out by hand or by torch."""

import pytest
import torch

from medpatch.config.model import Compat, Fuser
from medpatch.config.name import Modality
from medpatch.model.head import Head
from medpatch.model.joint import ClasswiseJoint, SequenceJoint
from medpatch.model.late import weighted_late
from medpatch.model.missingness import Missingness
from medpatch.model.mixer import LstmMixer, TransformerMixer
from model.factory import make_batch, make_config, make_medpatch

EQUAL = {"atol": 1e-5, "rtol": 1e-5}
SEQUENCES = (Fuser.LSTM, Fuser.TRANSFORMER)
STAYS, MODALITIES, LABELS, WIDTH = 3, 4, 2, 8
PRESENT = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 1, 0]]).bool()


def groups(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    pools = torch.randn(STAYS, MODALITIES, LABELS, WIDTH, generator=g)
    has_token = torch.rand(STAYS, MODALITIES, LABELS, generator=g) < 0.6
    has_token[0] = True
    confidence = torch.rand(STAYS, MODALITIES, LABELS, generator=g)
    return pools.masked_fill(~has_token.unsqueeze(-1), 0.0), has_token, confidence.masked_fill(~has_token, 0.0)


def joint(fuser: Fuser) -> SequenceJoint:
    torch.manual_seed(0)
    return SequenceJoint(LABELS, WIDTH, fuser=fuser, keeps_empty=False).eval()


@torch.no_grad()
def test_lstm_fuser_reads_the_groups_that_have_tokens_from_the_least_to_the_most_confident():
    module = joint(Fuser.LSTM)
    pools, has_token, confidence = groups()
    logits = module(pools, has_token, confidence)
    for b in range(STAYS):
        entries = [
            (float(confidence[b, m, k]), pools[b, m, k])
            for m in range(MODALITIES)
            for k in range(LABELS)
            if has_token[b, m, k]
        ]
        sequence = torch.stack([entry for _, entry in sorted(entries, key=lambda pair: pair[0])])
        _, (state, _) = module.mixer.lstm(sequence.unsqueeze(0))
        torch.testing.assert_close(logits[b], module.head(state[0, 0]), **EQUAL)


@torch.no_grad()
def test_lstm_fuser_depends_on_the_order_of_confidence_and_the_transformer_does_not():
    pools, has_token, confidence = groups()
    other = (1.0 - confidence).masked_fill(~has_token, 0.0)
    lstm, transformer = joint(Fuser.LSTM), joint(Fuser.TRANSFORMER)
    assert (lstm(pools, has_token, confidence) - lstm(pools, has_token, other)).abs().max() > 1e-4
    torch.testing.assert_close(transformer(pools, has_token, confidence), transformer(pools, has_token, other), **EQUAL)


@pytest.mark.parametrize("fuser", SEQUENCES)
@torch.no_grad()
def test_sequence_fusers_do_not_care_which_modality_comes_first(fuser):
    module, parts = joint(fuser), groups()
    shuffled = [part[:, [2, 0, 3, 1]] for part in parts]
    torch.testing.assert_close(module(*shuffled), module(*parts), **EQUAL)


@pytest.mark.parametrize("fuser", SEQUENCES)
@torch.no_grad()
def test_content_of_an_empty_group_cannot_move_a_sequence_fuser(fuser):
    module, (pools, has_token, confidence) = joint(fuser), groups()
    rubbish = torch.where(has_token.unsqueeze(-1), pools, 1e3)
    torch.testing.assert_close(module(rubbish, has_token, confidence), module(pools, has_token, confidence), **EQUAL)


@torch.no_grad()
def test_transformer_mixer_equals_a_pre_norm_layer_of_torch():
    torch.manual_seed(0)
    mixer = TransformerMixer(16).eval()
    layer = torch.nn.TransformerEncoderLayer(
        16, 8, dim_feedforward=32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    block = mixer.block
    layer.self_attn.in_proj_weight.copy_(block.query_key_value.weight)
    layer.self_attn.in_proj_bias.zero_()
    layer.self_attn.out_proj.load_state_dict(block.output.state_dict())
    layer.norm1.load_state_dict(block.attention_norm.state_dict())
    norm, first, _, _, second, _ = block.mlp.mlp
    layer.norm2.load_state_dict(norm.state_dict())
    layer.linear1.load_state_dict(first.state_dict())
    layer.linear2.load_state_dict(second.state_dict())
    entries = torch.randn(3, 5, 16)
    real = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]).bool()
    expected = layer(entries, src_key_padding_mask=~real)
    expected = torch.stack([row[keep].mean(dim=0) for row, keep in zip(expected, real, strict=True)])
    torch.testing.assert_close(mixer(entries, real), expected, **EQUAL)


@pytest.mark.parametrize("mixer", [LstmMixer(8), TransformerMixer(8)], ids=SEQUENCES)
@torch.no_grad()
def test_mixer_of_nothing_is_zero(mixer):
    assert mixer(torch.randn(1, 3, 8), torch.zeros(1, 3, dtype=torch.bool)).eq(0).all()


@torch.no_grad()
def test_a_label_of_the_classwise_joint_reads_its_own_pools_of_the_modalities_that_have_one():
    module = ClasswiseJoint(2, 2, width=2)
    module.weight.copy_(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]]]))
    module.offset.copy_(torch.tensor([[0.5, 0.0], [0.25, 0.0]]))
    module.bias.copy_(torch.tensor([0.1, 0.2]))
    pools = torch.tensor([[[[3.0, 1.0], [1.0, 3.0]], [[5.0, 1.0], [9.0, 9.0]]]])  # normed: (1, -1), (-1, 1), (1, -1)
    has_token = torch.tensor([[[True, True], [True, False]]])
    # label 0: 0.1 + (1 + 0.5) + (2 + 0.25); label 1: 0.2 + 1, as its second group is empty
    found = module(pools, has_token, torch.zeros(1, 2, 2))
    torch.testing.assert_close(found, torch.tensor([[3.85, 1.2]]), atol=1e-4, rtol=0)


@torch.no_grad()
def test_classwise_joint_starts_as_the_mean_of_the_unimodal_heads():
    torch.manual_seed(0)
    heads = [Head(4, 3) for _ in range(2)]
    for head in heads:
        torch.nn.init.normal_(head.norm.weight)
        torch.nn.init.normal_(head.norm.bias)
    module = ClasswiseJoint(2, 3, width=4)
    module.start_from(heads)
    vectors = torch.randn(5, 2, 4)
    pools = vectors.unsqueeze(2).expand(-1, -1, 3, -1)  # every label sees the same pool
    evidence = [head(vectors[:, m]) - head.linear.bias for m, head in enumerate(heads)]
    found = module(pools, torch.ones(5, 2, 3, dtype=torch.bool), torch.zeros(5, 2, 3))
    torch.testing.assert_close(found, sum(evidence) / 2, **EQUAL)


def test_joint_modules_of_a_whole_network_start_from_its_heads():
    network = make_medpatch(make_config())
    for joint in (network.fusion.high_joint, network.fusion.low_joint):
        for m, branch in enumerate(network.fusion.branch.values()):
            torch.testing.assert_close(joint.weight[m], branch.head.linear.weight / 4)


@torch.no_grad()
def test_published_missingness_hears_nothing_in_the_commonest_pattern_and_the_repaired_one_does():
    everything = torch.ones(1, 4, dtype=torch.bool)
    published, repaired = Missingness(4, 2, compat=Compat.PUBLISHED), Missingness(4, 2)
    torch.testing.assert_close(published(everything)[0], published.bias)
    assert (repaired(everything)[0] - repaired.bias).abs().max() > 1e-3


@pytest.mark.parametrize("flags", [{}, {"use_joint": False}, {"use_missingness": False}, {"use_late": False}])
@torch.no_grad()
def test_late_head_of_every_ablation_is_the_weighted_mean_of_the_heads_that_are_left(flags):
    network = make_medpatch(make_config(high_share=None, threshold=0.55, **flags))
    torch.nn.init.normal_(network.fusion.late_weight)
    batch = make_batch(PRESENT)
    output = network(batch)
    always = torch.ones(len(PRESENT), dtype=torch.bool)
    heads = []
    if flags.get("use_late", True):
        heads += [(output.unimodal[m], PRESENT[:, i]) for i, m in enumerate(Modality)]
    if flags.get("use_missingness", True):
        heads.append((output.missingness, always))
    if flags.get("use_joint", True):
        heads += [(output.low, always), (output.high, always)]
    logits, present = (torch.stack(part, dim=1) for part in zip(*heads, strict=True))
    torch.testing.assert_close(output.late, weighted_late(logits, present, network.fusion.late_weight), **EQUAL)


def test_without_joint_module_the_high_and_low_heads_are_the_missingness_one():
    output = make_medpatch(make_config(use_joint=False))(make_batch(PRESENT))
    torch.testing.assert_close(output.high, output.missingness)
    torch.testing.assert_close(output.low, output.missingness)


@pytest.mark.parametrize(
    ("flags", "silent"),
    [
        ({"use_joint": False}, "joint"),
        ({"use_missingness": False}, "missingness"),
        ({"use_late": False}, "branch.ehr.head"),
        ({}, "nothing"),
    ],
)
def test_a_module_that_is_ablated_learns_nothing_and_all_others_do(flags, silent):
    network = make_medpatch(make_config(high_share=None, threshold=0.55, **flags))
    network.extractor.requires_grad_(False)
    network(make_batch(PRESENT)).late.square().sum().backward()
    for name in ("joint", "missingness", "branch.ehr.head"):
        parts = [p.grad for n, p in network.fusion.named_parameters() if name in n]
        learns = any(grad is not None and grad.abs().max() > 0 for grad in parts)
        assert learns is (name != silent), name


@pytest.mark.parametrize("fuser", list(Fuser))
def test_fusion_overfits_eight_stays_with_every_fuser(fuser):
    network = make_medpatch(make_config(fuser=fuser, high_share=None, threshold=0.55))
    batch = make_batch(torch.ones(8, 4, dtype=torch.bool), labels=3, seed=1)
    with torch.no_grad():
        features = network.extract(batch)
    optimiser = torch.optim.Adam(network.fusion.parameters(), lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        output = network.fuse(features)
        heads = (output.high, output.low, output.late)
        loss = sum(torch.nn.functional.binary_cross_entropy_with_logits(head, batch.label) for head in heads)
        loss.backward()
        optimiser.step()
    late = network.fuse(features).late
    assert ((late > 0) == (batch.label > 0)).all()
