"""The whole network: what is absent or padding cannot move a logit, and any batch size works."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medpatch.config.error import ConfigError
from medpatch.config.model import EhrKind, EncoderConfig, Fuser, FusionConfig, ModelConfig, Score, Summary
from medpatch.config.name import Modality
from medpatch.contract.batch import Batch, FusionOutput
from medpatch.model.build import build_unimodal
from medpatch.model.medpatch import MedPatch
from model.factory import LargestTensor, make_batch, make_config, make_medpatch, make_spec

EQUAL = {"atol": 1e-5, "rtol": 1e-5}
SPEC = replace(make_spec(), note_chunk_tokens=9)
"""Room for one word position more than a batch has."""
POSITIONS = 12
"""Fewer than the most tokens of a note, so that some share the last temperature."""


def make_network(encoder: dict[str, object] | None = None, **fusion: object) -> MedPatch:
    fusion = {"high_share": None, "threshold": 0.75} | fusion
    return make_medpatch(make_config(encoder, **fusion), SPEC)


NETWORK = {fuser: make_network(fuser=fuser) for fuser in Fuser}


def heads(output: FusionOutput) -> torch.Tensor:
    return torch.stack([output.high, output.low, output.late, output.missingness])


def with_rubbish(batch: Batch, seed: int) -> Batch:
    """Other content wherever the masks say that nothing is real."""
    g = torch.Generator().manual_seed(seed)
    value = {}
    for name, old in batch.value.items():
        if name is Modality.EHR:
            new = torch.randn(old.shape, generator=g) * 1e3
            new[0, -1] = float("nan")
        else:
            new = torch.randint(0, 50, old.shape, generator=g).to(old.dtype)
        real = batch.mask[name].reshape(*batch.mask[name].shape, *[1] * (old.dim() - batch.mask[name].dim()))
        value[name] = torch.where(real, old, new)
    return replace(batch, value=value)


def padded(batch: Batch) -> Batch:
    """Two more hours, one more chunk and word position, none of them real."""
    value, mask = dict(batch.value), dict(batch.mask)
    for name in (Modality.EHR, Modality.RR, Modality.DN):
        value[name] = torch.nn.functional.pad(
            value[name], (0, 0, 0, 2) if name is Modality.EHR else (0, 1, 0, 1), value=3
        )
        mask[name] = torch.nn.functional.pad(mask[name], (0, 2) if name is Modality.EHR else (0, 1, 0, 1))
    return replace(batch, value=value, mask=mask)


def rows(batch: Batch, index: list[int]) -> Batch:
    return Batch(
        stay_id=batch.stay_id[index],
        subject_id=batch.subject_id[index],
        label=batch.label[index],
        presence=batch.presence[index],
        modalities=batch.modalities,
        value={m: v[index] for m, v in batch.value.items()},
        mask={m: v[index] for m, v in batch.mask.items()},
    )


def fitted() -> MedPatch:
    """The late head is a fitted sum."""
    network = deepcopy(NETWORK[Fuser.NONE])
    network.fusion.expect_evidence(torch.full((network.fusion.late_weight.shape[1],), 0.2)).is_fitted.fill_(True)
    return network


def calibrated_by_position() -> MedPatch:
    """Every position has another temperature."""
    network = make_network(temperature_positions=POSITIONS)
    for scorer in network.extractor.scorer.values():
        scorer.temperature.copy_(torch.linspace(0.3, 3.0, POSITIONS).unsqueeze(1))
    return network


CASE = {
    **{f"fuser {fuser}": network for fuser, network in NETWORK.items()},
    "fitted": fitted(),
    "confidence": make_network(score=Score.CONFIDENCE, threshold=0.8),
    "information": make_network(score=Score.INFORMATION, threshold=0.03),
    "entropy": make_network(score=Score.ENTROPY, threshold=0.4),
    "temperature by position": calibrated_by_position(),
    "two projections": make_network(shares_projection=False),
    "maximum": make_network({"ehr_summary": Summary.MAX, "note_summary": Summary.MAX}),
    "transformer": make_network({"ehr_kind": EhrKind.TRANSFORMER}),
}

patterns = st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5)


@pytest.mark.parametrize("name", CASE)
@torch.no_grad()
def test_the_networks_of_these_tests_call_some_tokens_of_each_modality_high_and_some_low(name):
    batch = make_batch(torch.ones(6, 4, dtype=torch.bool))
    for m, feature in CASE[name].extract(batch).modality.items():
        assert 0 < feature.high_share.mean() < 1, m
        assert feature.has_high.any(), m
        assert feature.has_low.any(), m


@pytest.mark.parametrize("name", CASE)
@settings(deadline=None, max_examples=15, derandomize=True)
@given(pattern=patterns, seed=st.integers(0, 1000))
@torch.no_grad()
def test_absent_and_padded_content_cannot_move_a_logit(name, pattern, seed):
    batch = make_batch(torch.tensor(pattern), seed=seed)
    network = CASE[name]
    expected = heads(network(batch))
    torch.testing.assert_close(heads(network(with_rubbish(batch, seed + 1))), expected, **EQUAL)
    torch.testing.assert_close(heads(network(padded(batch))), expected, **EQUAL)


@pytest.mark.parametrize("fuser", list(Fuser))
@torch.no_grad()
def test_a_stay_alone_gets_the_logits_it_gets_in_company(batch, fuser):
    together = heads(NETWORK[fuser](batch))
    for i in range(len(batch.stay_id)):
        torch.testing.assert_close(heads(NETWORK[fuser](rows(batch, [i]))), together[:, [i]], **EQUAL)


@torch.no_grad()
def test_present_content_does_move_the_logits(batch):
    network = NETWORK[Fuser.NONE]
    before = network(batch).late
    for column, name in enumerate(Modality):
        stays = batch.presence[:, column]
        old = batch.value[name]
        new = old.flip(1) if name is Modality.CXR else (old + 1).clamp_max(49)
        after = network(replace(batch, value={**batch.value, name: new})).late
        assert (after[stays] - before[stays]).abs().sum() > 1e-6, name
        torch.testing.assert_close(after[~stays], before[~stays], **EQUAL)


@torch.no_grad()
def test_batch_without_any_stay_of_a_modality_works(batch):
    alone = rows(batch, [2, 1])  # an EHR alone, and nothing
    assert heads(NETWORK[Fuser.NONE](alone)).isfinite().all()


@torch.no_grad()
def test_order_of_modalities_in_the_batch_does_not_matter(batch):
    column = [3, 1, 0, 2]
    shuffled = replace(batch, presence=batch.presence[:, column], modalities=tuple(list(Modality)[c] for c in column))
    torch.testing.assert_close(heads(NETWORK[Fuser.NONE](shuffled)), heads(NETWORK[Fuser.NONE](batch)))


@torch.no_grad()
def test_a_modality_that_is_announced_without_a_real_token_counts_as_absent(batch):
    for column, name in enumerate(Modality):
        silent = replace(batch, mask={**batch.mask, name: torch.zeros_like(batch.mask[name])})
        presence = batch.presence.clone()
        presence[:, column] = False
        absent = replace(batch, presence=presence)
        torch.testing.assert_close(heads(NETWORK[Fuser.NONE](silent)), heads(NETWORK[Fuser.NONE](absent)), **EQUAL)


def test_batch_that_lacks_a_modality_of_the_model_is_refused(batch):
    fewer = replace(batch, modalities=(Modality.EHR,), presence=batch.presence[:, :1])
    with pytest.raises(ValueError, match="also needs"):
        NETWORK[Fuser.NONE](fewer)


@pytest.mark.parametrize("flags", [{"use_joint": False}, {"use_missingness": False}, {"use_late": False}])
@torch.no_grad()
def test_ablations_leave_finite_logits_and_fewer_heads(batch, flags):
    network = make_medpatch(make_config(**flags))
    assert heads(network(batch)).isfinite().all()
    full = len(NETWORK[Fuser.NONE].fusion.late_weight)
    lost = {"use_joint": 2, "use_missingness": 1, "use_late": 4}
    assert len(network.fusion.late_weight) == full - sum(lost[name] for name in flags)


def test_switching_every_module_off_is_refused():
    with pytest.raises(ValueError, match="no head is left"):
        FusionConfig(use_joint=False, use_missingness=False, use_late=False)


def test_projection_bias_does_not_speak_for_an_empty_group(batch):
    network = make_medpatch()
    with torch.no_grad():
        for scorer in network.extractor.scorer.values():
            scorer.threshold.fill_(1.1)  # nothing is ever that sure
        before = network(batch).high
        for branch in network.fusion.branch.values():
            branch.high_projection.bias.fill_(9.0)
        after = network(batch).high
    torch.testing.assert_close(after, before)


def test_published_ehr_branch_needs_equal_widths():
    config = ModelConfig(
        encoder=EncoderConfig(ehr_width=8, width=16),
        fusion=FusionConfig(compat="published", score="confidence", high_share=None),
    )
    with pytest.raises(ConfigError, match="ehr_width 8 equal to width 16"):
        build_unimodal(config, make_spec(), modality=Modality.EHR)


@pytest.mark.parametrize(
    "fusion", [*({"fuser": fuser} for fuser in Fuser), {"shares_projection": False}], ids=lambda f: str(*f.values())
)
def test_nothing_of_size_stays_by_tokens_by_labels_by_width_is_made_forward_or_backward(fusion):
    stays, count, labels, width = 2, 128, 16, 64
    spec = make_spec(labels=labels)
    config = make_config({"ehr_width": width, "width": width}, high_share=None, scorer_width=8, **fusion)
    network = make_medpatch(config, spec).train()
    batch = make_batch(torch.ones(stays, 4, dtype=torch.bool), labels=labels)
    hours = torch.randn(stays, count, 76, generator=torch.Generator().manual_seed(0))
    batch = replace(
        batch,
        value={**batch.value, Modality.EHR: hours},
        mask={**batch.mask, Modality.EHR: torch.ones(stays, count, dtype=torch.bool)},
    )
    with LargestTensor() as largest:
        heads(network(batch)).sum().backward()
    assert network.extractor.encoder[Modality.EHR].lstm.weight_hh_l0.grad.abs().sum() > 0
    assert stays * count * width <= largest.numel < stays * count * labels * width / 4
