"""Our functions against numbers of the published code."""

import math

import pytest
import torch
from torch import nn

from medpatch.config.model import Compat, EncoderConfig, Fuser, FusionConfig, ModelConfig, Score
from medpatch.config.name import Modality
from medpatch.contract.batch import Tokens
from medpatch.model.build import build_fusion, build_scorer
from medpatch.model.confidence import scaled_logits, token_confidence
from medpatch.model.encoder_note import average_chunks
from medpatch.model.extractor import Extractor
from medpatch.model.feature import Features
from medpatch.model.fusion import Fusion
from medpatch.model.late import weighted_late
from medpatch.model.partition import pool_by_confidence
from medpatch.model.pool import masked_mean
from medpatch.model.spec import InputSpec

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
ABLATION = {
    "without_joint_module": {"use_joint": False},
    "without_missingness_module": {"use_missingness": False},
    "without_late_module": {"use_late": False},
}


def test_pools_match_the_reference(golden):
    t, meta = golden("pool_C1")
    mask = torch.ones(t["features"].shape[:2], dtype=torch.bool)

    high, low, high_confidence, low_confidence = pool_by_confidence(
        t["features"], t["confidences"], mask, float(meta["threshold"])
    )

    torch.testing.assert_close(high, t["pooled_high"], **TOLERANCE)
    torch.testing.assert_close(low, t["pooled_low"], **TOLERANCE)
    torch.testing.assert_close(high_confidence, t["conf_high"], **TOLERANCE)
    torch.testing.assert_close(low_confidence, t["conf_low"], **TOLERANCE)


def test_an_empty_group_is_exactly_zero_as_in_the_reference(golden):
    t, meta = golden("pool_C1")
    mask = torch.ones(t["features"].shape[:2], dtype=torch.bool)

    pools = pool_by_confidence(t["features"], t["confidences"], mask, float(meta["threshold"]))

    assert pools.high[0].eq(0).all()
    assert pools.low[1].eq(0).all()


@pytest.mark.parametrize("name", list(Modality))
def test_token_confidence_matches_the_reference(golden, name):
    t, _ = golden("confidence_C1")
    logits = t[f"{name}.tokens"] @ t[f"{name}.weight"].T + t[f"{name}.bias"]  # (B, N, 1)
    temperature = t[f"{name}.temperature"]

    scaled = scaled_logits(logits, temperature).squeeze(-1)
    confidence = token_confidence(logits, temperature).squeeze(-1)

    torch.testing.assert_close(scaled, t[f"{name}.scaled_logits"], **TOLERANCE)
    torch.testing.assert_close(confidence, t[f"{name}.confidence"], **TOLERANCE)


def test_late_matches_both_forms_of_the_reference(golden):
    t, _ = golden("late_C1_3mod")
    heads = t["preds"].shape[1]
    always = torch.ones(len(t["present"]), heads - t["present"].shape[1])
    present = torch.cat([t["present"], always], dim=1)

    repaired = weighted_late(t["preds"], present, t["weights"])
    published = weighted_late(t["preds"], present, t["weights"], compat="published")

    torch.testing.assert_close(repaired, t["late_fixed"], **TOLERANCE)
    torch.testing.assert_close(published, t["late_reference"], **TOLERANCE)


def test_chunk_average_matches_the_reference(golden):
    t, _ = golden("text_chunks")
    owner = t["in.sample_of_chunk"]
    most = int(owner.bincount().max())
    hidden = torch.zeros(len(t["note_tokens"]), most, *t["chunk_hidden"].shape[1:])
    chunk_mask = torch.zeros(hidden.shape[:2], dtype=torch.bool)
    for note in range(len(hidden)):
        chunks = t["chunk_hidden"][owner == note]
        hidden[note, : len(chunks)] = chunks
        hidden[note, len(chunks) :] = math.pi  # what no chunk holds must not count
        chunk_mask[note, : len(chunks)] = True

    tokens = average_chunks(hidden, chunk_mask)

    torch.testing.assert_close(tokens, t["note_tokens"], **TOLERANCE)
    projected = nn.functional.linear(tokens, t["fc.weight"], t["fc.bias"])
    torch.testing.assert_close(projected, t["projected"], **TOLERANCE)


def test_whole_network_matches_the_reference_and_its_repaired_late_head(golden):
    t, meta = golden("cmsma_C1_none")

    features, fusion = _load(t, meta, Compat.PUBLISHED)
    output = fusion(features)

    torch.testing.assert_close(output.high, t["out.high"], **TOLERANCE)
    torch.testing.assert_close(output.low, t["out.low"], **TOLERANCE)
    torch.testing.assert_close(output.late, t["out.late"], **TOLERANCE)
    for name, logits in output.unimodal.items():
        torch.testing.assert_close(logits, t[f"mid.pred.{name}"], **TOLERANCE)
    torch.testing.assert_close(output.missingness, t["mid.pred.missingness"], **TOLERANCE)
    torch.testing.assert_close(output.late, t["fix.late"], **TOLERANCE)  # one label, no dn: both forms agree


@pytest.mark.parametrize("name", list(ABLATION))
def test_ablations_match_the_reference(golden, name):
    t, meta = golden("cmsma_C1_none")

    features, fusion = _load(t, meta, Compat.PUBLISHED, weight=f"w.weights.{name}", **ABLATION[name])
    output = fusion(features)

    torch.testing.assert_close(output.late, t[f"out.late.{name}"], **TOLERANCE)
    torch.testing.assert_close(output.high, t[f"out.high.{name}"], **TOLERANCE)


def _load(t, meta, compat, *, weight="w.weights", **flags) -> tuple[Features, Fusion]:
    """The reference's weights in our modules, and the features of its tokens."""
    modalities = tuple(Modality(m.lower()) for m in meta["modalities"].split("-"))
    labels = int(meta["num_classes"])
    width = t["in.ehr_pooled"].shape[1]
    config = ModelConfig(
        encoder=EncoderConfig(ehr_width=width, width=width),
        fusion=FusionConfig(
            score=Score.CONFIDENCE,
            threshold=float(meta["threshold"]),
            high_share=None,
            fuser=Fuser.NONE,
            compat=compat,
            **flags,
        ),
    )
    spec = InputSpec(modalities, tuple(map(str, range(labels))), (0.1,) * labels, 384, 0, 512)
    raw = {m: t[f"in.{m}_tokens"].shape[-1] for m in modalities}
    scorer = {m: build_scorer(config, spec, modality=m, width=raw[m]) for m in modalities}
    fusion = build_fusion(config, spec, raw_width=raw)
    state, modality = {}, {}
    for m in modalities:
        layer = f"w.{m}_confidence_predictor.confidence_layer"
        scorer[m].predictor.load_state_dict({"weight": t[f"{layer}.weight"], "bias": t[f"{layer}.bias"]})
        scorer[m].temperature = t[f"w.{m}_temperature"].reshape(-1, labels)
        _take(state, t, f"branch.{m}.head", f"w.{m}_classifier")
        if m is not Modality.EHR:
            encoder = "w.cxr_model.projection" if m is Modality.CXR else f"w.text_model.fc_{m}"
            for ours, theirs in (
                ("unimodal", encoder),
                ("high", f"w.{m}_high_proj"),
                ("low", f"w.{m}_low_proj"),
            ):
                for kind in ("weight", "bias"):
                    state[f"branch.{m}.{ours}_projection.{kind}"] = t[f"{theirs}.{kind}"]
        modality[m] = Extractor({}, scorer, pools_padding=True).pool(m, _tokens(t, m))
    if fusion.high_joint is not None:
        _take(state, t, "high_joint.head", "w.high_fuser_classifier")
        _take(state, t, "low_joint.head", "w.low_fuser_classifier")
    if fusion.missingness is not None:
        _take(state, t, "missingness.head", "w.missingness_classifier")
    state["late_weight"] = t[weight]
    fusion.load_state_dict(state)
    return Features(t["in.present"].bool(), modality), fusion


def _take(state, t, ours: str, theirs: str) -> None:
    for part, layer in (("norm", "layernorm"), ("linear", "fc")):
        for kind in ("weight", "bias"):
            state[f"{ours}.{part}.{kind}"] = t[f"{theirs}.classifier.{layer}.{kind}"]


def _tokens(t, name: Modality) -> Tokens:
    value = t[f"in.{name}_tokens"]
    mask = torch.ones(value.shape[:2], dtype=torch.bool)
    pooled = {Modality.EHR: t["in.ehr_pooled"], Modality.CXR: value[:, 0]}
    return Tokens(value, mask, pooled[name] if name in pooled else masked_mean(value, mask))
