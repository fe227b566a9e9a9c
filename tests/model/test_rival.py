"""Every neural rival learns, ignores what is not there, and takes any subset of modalities."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medpatch.config.error import ConfigError
from medpatch.config.name import Modality, Rival
from medpatch.model.baseline.healnet import GatedMlp
from medpatch.model.baseline.objective import rival_loss
from medpatch.model.build_rival import NETWORK, NOT_A_NETWORK, build_rival
from medpatch.model.feature import ModalityTokens, StayTokens
from model.factory import RAW_WIDTH, make_config, make_spec, make_stay_tokens

EQUAL = {"atol": 1e-5, "rtol": 1e-5}
RIVALS = list(NETWORK)
READS_CONTENT = [r for r in RIVALS if r is not Rival.AVAILABILITY]
SUBSETS = [
    (Modality.EHR,),
    (Modality.CXR,),
    (Modality.RR, Modality.DN),
    (Modality.EHR, Modality.CXR, Modality.RR),
    tuple(Modality),
]


def make_rival(rival: Rival, *, modalities=tuple(Modality), labels: int = 3, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    raw_width = {m: RAW_WIDTH[m] for m in modalities}
    return build_rival(rival, make_config(), spec=make_spec(modalities, labels), raw_width=raw_width).eval()


NETWORKS = {rival: make_rival(rival) for rival in RIVALS}


def with_rubbish(stay: StayTokens, seed: int, more: int) -> StayTokens:
    """Other content wherever nothing is real, and `more` unreal tokens after the last."""
    g = torch.Generator().manual_seed(seed)
    modality = {}
    for column, (name, one) in enumerate(stay.modality.items()):
        mask = torch.nn.functional.pad(one.token_mask, (0, more))
        tokens = torch.nn.functional.pad(one.tokens, (0, 0, 0, more))
        noise = torch.randn(tokens.shape, generator=g) * 1e3
        noise[0] = float("nan")
        here = stay.presence[:, [column]]
        modality[name] = ModalityTokens(
            tokens=torch.where(mask.unsqueeze(-1), tokens, noise),
            token_mask=mask,
            pooled=torch.where(here, one.pooled, noise[:, 0]),
            logits=torch.where(here, one.logits, float("nan")),
        )
    return StayTokens(stay.presence, modality)


def rows(stay: StayTokens, index: list[int]) -> StayTokens:
    return StayTokens(
        stay.presence[index],
        {
            m: ModalityTokens(**{f.name: getattr(one, f.name)[index] for f in fields(one)})
            for m, one in stay.modality.items()
        },
    )


@pytest.mark.parametrize("rival", RIVALS)
def test_eight_stays_can_be_overfitted(rival):
    presence = torch.ones(8, 4, dtype=torch.bool)
    if rival is Rival.AVAILABILITY:  # it can tell stays apart by their pattern alone
        presence = torch.tensor([[bool(i >> c & 1) for c in range(4)] for i in range(8)])
    stay = make_stay_tokens(presence, labels=2, seed=3)
    label = torch.tensor([[0.0, 1], [1, 1], [0, 0], [1, 0], [1, 1], [0, 1], [0, 0], [1, 0]])
    network = make_rival(rival, labels=2).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01 if rival is not Rival.AVAILABILITY else 0.3)
    for _ in range(60):
        optimiser.zero_grad()
        rival_loss(network(stay), label).backward()
        optimiser.step()
    logits = network.eval()(stay).logits
    assert ((logits > 0) == (label > 0)).all()
    assert torch.nn.functional.binary_cross_entropy_with_logits(logits, label) < 0.1


patterns = st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5)


@pytest.mark.parametrize("rival", RIVALS)
@settings(deadline=None, max_examples=12)
@given(pattern=patterns, seed=st.integers(0, 1000), more=st.integers(0, 3))
@torch.no_grad()
def test_absent_and_padded_content_cannot_move_a_logit(rival, pattern, seed, more):
    stay = make_stay_tokens(torch.tensor(pattern), seed=seed)
    expected = NETWORKS[rival](stay)
    found = NETWORKS[rival](with_rubbish(stay, seed + 1, more))
    torch.testing.assert_close(found.logits, expected.logits, **EQUAL)
    if expected.auxiliary_loss is not None:
        torch.testing.assert_close(found.auxiliary_loss, expected.auxiliary_loss, **EQUAL)


@pytest.mark.parametrize("rival", RIVALS)
@torch.no_grad()
def test_a_stay_alone_gets_the_logits_it_gets_in_company(rival):
    stay = make_stay_tokens(torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0]]).bool())
    together = NETWORKS[rival](stay).logits
    for i in range(len(together)):
        torch.testing.assert_close(NETWORKS[rival](rows(stay, [i])).logits, together[[i]], **EQUAL)


@pytest.mark.parametrize("rival", READS_CONTENT)
@pytest.mark.parametrize("name", list(Modality))
@torch.no_grad()
def test_present_content_does_move_the_logits(rival, name):
    stay = make_stay_tokens(torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0]]).bool())
    one = stay.modality[name]
    other = replace(one, tokens=one.tokens * -2.0, pooled=one.pooled * -2.0)
    moved = NETWORKS[rival](StayTokens(stay.presence, {**stay.modality, name: other})).logits
    still = NETWORKS[rival](stay).logits
    assert (moved[0] - still[0]).abs().max() > 1e-5
    torch.testing.assert_close(moved[1], still[1])


@pytest.mark.parametrize("rival", READS_CONTENT)
@torch.no_grad()
def test_what_one_modality_adds_depends_on_what_another_shows(rival):
    stay = make_stay_tokens(torch.ones(1, 4, dtype=torch.bool))

    def logits(*turned: Modality) -> torch.Tensor:
        modality = {
            m: replace(one, tokens=-one.tokens, pooled=-one.pooled) if m in turned else one
            for m, one in stay.modality.items()
        }
        return NETWORKS[rival](StayTokens(stay.presence, modality)).logits

    alone = logits() - logits(Modality.EHR)
    beside = logits(Modality.RR) - logits(Modality.EHR, Modality.RR)
    assert (alone - beside).abs().max() > 1e-4


@torch.no_grad()
def test_availability_reads_nothing_but_the_pattern():
    presence = torch.tensor([[True, False, True, True]])
    one, other = (NETWORKS[Rival.AVAILABILITY](make_stay_tokens(presence, seed=s)).logits for s in (1, 2))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("labels", [1, 25])
@pytest.mark.parametrize("modalities", SUBSETS, ids="-".join)
def test_any_subset_of_modalities_and_any_number_of_labels_trains(rival, labels, modalities):
    network = make_rival(rival, modalities=modalities, labels=labels).train()
    presence = torch.zeros(3, len(modalities), dtype=torch.bool)
    presence[0] = True
    presence[1, -1] = True
    stay = make_stay_tokens(presence, modalities=modalities, labels=labels)
    output = network(stay)
    assert output.logits.shape == (3, labels)
    loss = rival_loss(output, torch.ones(3, labels))
    loss.backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in gradients)
    assert any(g.abs().max() > 0 for g in gradients)


@pytest.mark.parametrize("rival", RIVALS)
@torch.no_grad()
def test_batch_in_which_nobody_has_a_token_of_a_modality_works(rival):
    stay = make_stay_tokens(torch.tensor([[1, 0, 1, 0]]).bool())
    none = stay.modality[Modality.CXR]
    empty = replace(none, tokens=none.tokens[:, :0], token_mask=none.token_mask[:, :0])
    shorter = StayTokens(stay.presence, {**stay.modality, Modality.CXR: empty})
    torch.testing.assert_close(NETWORKS[rival](shorter).logits, NETWORKS[rival](stay).logits, **EQUAL)


@pytest.mark.parametrize("rival", RIVALS)
@torch.no_grad()
def test_prediction_for_nothing_is_near_the_prevalence(rival):
    stay = make_stay_tokens(torch.zeros(1, 4, dtype=torch.bool))
    prior = torch.logit(torch.tensor(make_spec().prevalence))
    assert (NETWORKS[rival](stay).logits - prior).abs().max() < 1.5


@torch.no_grad()
def test_medfuse_leaves_absent_modalities_out_of_the_sequence():
    medfuse = NETWORKS[Rival.MEDFUSE]
    stay = make_stay_tokens(torch.tensor([[0, 1, 0, 1]]).bool())
    vectors, _ = medfuse.stem.vectors(stay)
    _, (state, _) = medfuse.mixer.lstm(vectors[:, [1, 3]])
    torch.testing.assert_close(medfuse(stay).logits, medfuse.head(state[0]), **EQUAL)


@torch.no_grad()
def test_healnet_leaves_its_latents_alone_where_a_modality_is_absent():
    healnet = NETWORKS[Rival.HEALNET]
    nothing = make_stay_tokens(torch.zeros(1, 4, dtype=torch.bool))
    torch.testing.assert_close(healnet(nothing).logits, healnet.head(healnet.latents.mean(dim=0, keepdim=True)))


def test_healnet_drops_what_a_gated_layer_says_not_what_it_hides():
    torch.manual_seed(0)
    said = GatedMlp(8, dropout=0.5).train()(torch.randn(4, 3, 8))
    assert 0.3 < said.eq(0).float().mean() < 0.7


@pytest.mark.parametrize("rival", list(NOT_A_NETWORK))
def test_rival_that_is_no_network_is_refused_with_what_to_use(rival):
    with pytest.raises(ConfigError, match="not a network; use medpatch"):
        make_rival(rival)


def test_rival_without_any_modality_is_refused():
    with pytest.raises(ConfigError, match="no modality is left"):
        build_rival(Rival.EARLY, make_config(), spec=make_spec(), raw_width={})


def test_every_rival_is_a_network_or_says_what_it_is():
    assert {*NETWORK, *NOT_A_NETWORK} == set(Rival)
