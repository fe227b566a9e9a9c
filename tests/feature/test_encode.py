"""Encoders run once; what they leave serves every later stage, and is what the whole network would compute."""

from collections import Counter

import pytest
import torch
from train.cohort import MadeUp, make_config, pick
from train.stages import TENSORS, dirs, encode, pool, silent, train_all, train_earlier, train_rival, train_unimodal

from medpatch.config.error import CheckpointError, ConfigError
from medpatch.config.model import Compat, FusionConfig, Score
from medpatch.config.name import Modality, Rival, Split
from medpatch.feature.dirs import StageDirs
from medpatch.feature.split import open_features
from medpatch.feature.store import open_feature_store, open_token_store
from medpatch.model.checkpoint import load_medpatch, load_unimodal
from medpatch.model.encoder_cxr import CxrEncoder
from medpatch.model.encoder_ehr import EhrEncoder
from medpatch.model.encoder_note import NoteEncoder
from medpatch.train.stage_fusion import run_fusion

CPU = torch.device("cpu")


@pytest.fixture
def stays_encoded(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How many stays each kind of encoder has been run on."""
    seen: Counter = Counter()
    for kind in (EhrEncoder, CxrEncoder, NoteEncoder):
        before = kind.forward

        def forward(self, value, mask, before=before):
            seen[type(self).__name__] += len(value)
            return before(self, value, mask)

        monkeypatch.setattr(kind, "forward", forward)
    return seen


def change(made_up: MadeUp, section: str, **values: object) -> None:
    part = getattr(made_up.config, section).model_copy(update=values)
    made_up.config = made_up.config.model_copy(update={section: part})


def stores(made_up: MadeUp, here: StageDirs, split: Split, view: int = 0):
    index = made_up.index(TENSORS, split, here.modalities)
    features = {m: open_features(here.feature[m], m, data=made_up.data) for m in here.modalities}
    return index, open_feature_store(index, split, features=features, pool_dirs=here.pool, view=view), features


def test_no_stage_after_the_first_runs_an_encoder(made_up, tmp_path, stays_encoded):
    here = train_earlier(made_up, tmp_path)
    before = stays_encoded.copy()
    run_fusion(made_up.config, TENSORS, out_dir=tmp_path / "f", earlier=here, inputs="i", log_metric=silent)
    for rival in (Rival.EARLY, Rival.HEALNET):
        train_rival(made_up, rival, tmp_path / rival, here)
    assert stays_encoded == before


def test_a_frozen_encoder_sees_each_stay_of_each_split_once(made_up, tmp_path, stays_encoded):
    encoder = made_up.config.model.encoder.model_copy(update={"is_note_frozen": True})
    change(made_up, "model", encoder=encoder)
    train_earlier(made_up, tmp_path, (Modality.RR,))
    present = sum(int(made_up.splits[s].presence[:, 2].sum()) for s in Split)
    assert stays_encoded == {"NoteEncoder": present}


@pytest.mark.parametrize("modalities", [tuple(Modality), (Modality.CXR, Modality.DN)])
def test_cached_features_are_those_of_the_whole_network(made_up, tmp_path, modalities):
    folder = train_all(made_up, tmp_path, modalities)
    network, batch = load_medpatch(folder), made_up.splits[Split.TEST]
    _, store, _ = stores(made_up, dirs(tmp_path, modalities), Split.TEST)
    order = torch.randperm(len(store), generator=torch.Generator().manual_seed(0))
    found, whole = network.fuse(store.take(order, CPU)), network(pick(batch, order))
    for head in ("high", "low", "late"):
        torch.testing.assert_close(getattr(found, head), getattr(whole, head), atol=1e-5, rtol=1e-5)


def test_cached_features_of_the_published_form_are_those_of_the_whole_network(made_up, tmp_path):
    fusion = FusionConfig(score=Score.CONFIDENCE, high_share=None, threshold=0.6, compat=Compat.PUBLISHED)
    change(made_up, "model", fusion=fusion)
    modalities = (Modality.CXR, Modality.RR)  # their number of tokens does not depend on the batch
    network = load_medpatch(train_all(made_up, tmp_path, modalities))
    _, store, _ = stores(made_up, dirs(tmp_path, modalities), Split.TEST)
    found = network.fuse(store.take(torch.arange(len(store)), CPU))
    torch.testing.assert_close(found.high, network(made_up.splits[Split.TEST]).high, atol=1e-5, rtol=1e-5)


def test_pools_are_the_same_when_tokens_found_no_room(made_up, tmp_path, stays_encoded):
    here = train_earlier(made_up, tmp_path, (Modality.EHR,))
    order, count = torch.arange(48), stays_encoded["EhrEncoder"]
    _, store, _ = stores(made_up, here, Split.TRAIN)
    expected = store.take(order, CPU).modality[Modality.EHR].high
    change(made_up, "train", cache_gib=8 * 6 * 8 * 4 / 2**30)  # about eight stays of six tokens of width eight
    encode(made_up, Modality.EHR, here.feature[Modality.EHR], here.unimodal[Modality.EHR])
    pool(made_up, Modality.EHR, here)
    _, store, features = stores(made_up, here, Split.TRAIN)
    assert len(features[Modality.EHR].split(Split.TRAIN).tokens) == 0  # stays come in batches of 64
    torch.testing.assert_close(store.take(order, CPU).modality[Modality.EHR].high, expected)
    assert stays_encoded["EhrEncoder"] == count + 2 * (48 + 32 + 16)


def test_stage_two_names_the_cache_that_has_no_room_for_a_token(made_up, tmp_path):
    change(made_up, "train", cache_gib=0.0)
    with pytest.raises(ConfigError, match=r"no token of its \d+ stays found room .* raise train\.cache_gib"):
        train_earlier(made_up, tmp_path, (Modality.EHR,))


def test_half_precision_halves_the_files_and_is_close(made_up, tmp_path):
    here = train_earlier(made_up, tmp_path, (Modality.EHR,))
    _, store, _ = stores(made_up, here, Split.VAL)
    exact = store.take(torch.arange(32), CPU).modality[Modality.EHR]
    size = (here.feature[Modality.EHR] / "train.token").stat().st_size
    change(made_up, "train", cache_type="float16")
    encode(made_up, Modality.EHR, here.feature[Modality.EHR], here.unimodal[Modality.EHR])
    assert (here.feature[Modality.EHR] / "train.token").stat().st_size * 2 == size
    pool(made_up, Modality.EHR, here)
    _, store, _ = stores(made_up, here, Split.VAL)
    found = store.take(torch.arange(32), CPU).modality[Modality.EHR]
    assert found.high.dtype is torch.float32
    torch.testing.assert_close(found.pooled, exact.pooled)
    both = (found.high_share == exact.high_share).all(dim=1)  # no token crossed the threshold by rounding
    torch.testing.assert_close(found.high[both], exact.high[both], atol=2e-3, rtol=2e-3)


def test_views_differ_but_the_first_is_the_unchanged_one_and_only_train_has_them(made_up, tmp_path):
    change(made_up, "train", cxr_views=2)
    here = train_earlier(made_up, tmp_path, (Modality.CXR,))
    _, plain, features = stores(made_up, here, Split.TRAIN)
    _, other, _ = stores(made_up, here, Split.TRAIN, view=1)
    assert features[Modality.CXR].views == 2
    assert not list(here.feature[Modality.CXR].glob("test-view*"))
    one, two = (s.take(torch.arange(48), CPU).modality[Modality.CXR].pooled for s in (plain, other))
    assert not torch.allclose(one, two)
    batch = made_up.splits[Split.TRAIN]
    with torch.no_grad():
        torch.testing.assert_close(one, load_unimodal(here.unimodal[Modality.CXR]).summarise(batch))


def test_a_view_that_found_no_room_is_pooled_as_it_was_seen_first(made_up, tmp_path):
    change(made_up, "train", cxr_views=2)
    here = train_earlier(made_up, tmp_path, (Modality.CXR,))
    count = len(made_up.index(TENSORS, Split.TRAIN, here.modalities).stay_id)
    expected = stores(made_up, here, Split.TRAIN, view=1)[1].take(torch.arange(count), CPU).modality[Modality.CXR]
    change(made_up, "train", cache_gib=1e-9)
    encode(made_up, Modality.CXR, here.feature[Modality.CXR], here.unimodal[Modality.CXR])
    pool(made_up, Modality.CXR, here)
    _, store, features = stores(made_up, here, Split.TRAIN, view=1)
    assert len(features[Modality.CXR].split(Split.TRAIN, 1).tokens) == 0
    found = store.take(torch.arange(count), CPU).modality[Modality.CXR]
    assert expected.high.abs().sum() + expected.low.abs().sum() > 0
    for name in ("pooled", "high", "low"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))


def test_rivals_see_few_tokens_the_summary_and_the_unimodal_logits(made_up, tmp_path):
    change(made_up, "train", rival_tokens=3)
    here = train_earlier(made_up, tmp_path, (Modality.EHR, Modality.RR))
    index, _, features = stores(made_up, here, Split.VAL)
    unimodal = {m: load_unimodal(here.unimodal[m]) for m in here.modalities}
    store = open_token_store(index, Split.VAL, features=features, unimodal=unimodal)
    stay, batch = store.take(torch.arange(32), CPU), made_up.splits[Split.VAL]
    for m in here.modalities:
        present = batch.presence[:, batch.modalities.index(m)]
        one = stay.modality[m]
        assert one.token_mask.sum(dim=1).max() == 3
        assert torch.equal(one.token_mask.any(dim=1), present)
        with torch.no_grad():
            torch.testing.assert_close(one.logits[present], unimodal[m](batch)[present], atol=1e-5, rtol=1e-5)
        assert one.pooled[~present].abs().sum() == 0
        assert one.logits[~present].abs().sum() == 0


@pytest.mark.parametrize("cache_type", ["float32", "float16"])
@pytest.mark.parametrize("modality", [Modality.EHR, Modality.RR])
@pytest.mark.parametrize("at_most", [3, 64])
def test_tokens_that_rivals_read_are_those_of_the_encoder_or_means_of_neighbours(
    made_up, tmp_path, modality, cache_type, at_most
):
    close = {"float32": 1e-5, "float16": 2e-3}[cache_type]
    change(made_up, "train", rival_tokens=at_most, cache_type=cache_type)
    train_unimodal(made_up, modality, tmp_path / "u")
    encode(made_up, modality, tmp_path / "f", tmp_path / "u")
    network, batch = load_unimodal(tmp_path / "u"), made_up.splits[Split.VAL]
    features = {modality: open_features(tmp_path / "f", modality, data=made_up.data)}
    index = made_up.index(TENSORS, Split.VAL, (modality,))
    store = open_token_store(index, Split.VAL, features=features, unimodal={modality: network})
    cached = store.take(torch.arange(len(index)), CPU).modality[modality]
    assert cached.tokens.dtype is torch.float32
    with torch.no_grad():
        own = network.encoder(batch.value[modality], batch.mask[modality])
    lengths = set()
    for i in index.presence[:, 0].nonzero().flatten().tolist():
        real = own.value[i][own.token_mask[i]]
        runs = [[] for _ in range(min(len(real), at_most))]
        for place, token in enumerate(real):
            runs[place * len(runs) // len(real)].append(token)
        expected = torch.stack([torch.stack(run).mean(dim=0) for run in runs])
        assert cached.token_mask[i].tolist() == [n < len(runs) for n in range(cached.token_mask.shape[1])]
        torch.testing.assert_close(cached.tokens[i][: len(runs)], expected, atol=close, rtol=close)
        assert cached.tokens[i][len(runs) :].abs().sum() == 0
        lengths.add(len(real))
    assert len(lengths) > 2
    assert max(lengths) > 3
    assert expected.std() > 0.01


def test_a_deleted_cache_is_named_and_made_again(made_up, tmp_path):
    train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    encode(made_up, Modality.EHR, tmp_path / "f", tmp_path / "u")
    (tmp_path / "f" / "train.token").unlink()
    with pytest.raises(CheckpointError, match="no whole folder of cached features"):
        open_features(tmp_path / "f", Modality.EHR, data=made_up.data)
    encode(made_up, Modality.EHR, tmp_path / "f", tmp_path / "u")
    assert open_features(tmp_path / "f", Modality.EHR, data=made_up.data).width == 8


def test_encoding_leaves_no_copy_of_the_inputs(made_up, tmp_path):
    train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    encode(made_up, Modality.EHR, tmp_path / "f", tmp_path / "u")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f", "u"]


def test_what_a_killed_process_left_of_the_inputs_goes(made_up, tmp_path):
    import platform

    train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    left = tmp_path / f".f.input-{platform.node()}-999999999-x"
    left.mkdir()
    encode(made_up, Modality.EHR, tmp_path / "f", tmp_path / "u")
    assert not left.exists()


def test_progress_counts_every_stay_once(made_up, tmp_path):
    from medpatch.feature.encode import write_features

    train_unimodal(made_up, Modality.EHR, tmp_path / "u")
    seen = []
    write_features(
        make_config(),
        TENSORS,
        modality=Modality.EHR,
        out_dir=tmp_path / "f",
        unimodal_dir=tmp_path / "u",
        inputs="i",
        progress=lambda *step: seen.append(step),
    )
    assert seen[-1] == (96, 96)
