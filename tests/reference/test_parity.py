"""Our functions against numbers of the published code."""

import math

import pytest
import torch
from model.factory import make_config, make_spec
from torch import nn

from medpatch.config.model import Compat
from medpatch.config.name import Modality, Rival
from medpatch.config.path import REPOSITORY_DIR
from medpatch.model.build_rival import build_rival
from medpatch.model.confidence import scaled_logits, token_confidence
from medpatch.model.encoder_note import average_chunks
from medpatch.model.feature import ModalityTokens, StayTokens
from medpatch.model.late import weighted_late
from medpatch.model.partition import pool_by_confidence
from medpatch.train.loss import label_loss
from reference.made_up import made_up_weights
from reference.network import ABLATION, our_network
from reference.published import Published, forward

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
GOLDEN_DIR = REPOSITORY_DIR.parent / "shared" / "golden"
FUSERS = ("none", "lstm", "transformer")
PRESENCE = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 1], [1, 0, 0, 0], [1, 0, 0, 1]]).float()


def files(kind: str) -> list[str]:
    """Reference files of a kind, however many there are; where there are none, a name that is skipped."""
    return sorted(path.stem for path in GOLDEN_DIR.glob(f"{kind}*.safetensors")) or [f"{kind}_C1"]


@pytest.mark.parametrize("file", files("pool"))
def test_pools_match_the_reference(golden, file):
    t, meta = golden(file)
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


@pytest.mark.parametrize("file", files("confidence"))
@pytest.mark.parametrize("name", list(Modality))
def test_token_confidence_matches_the_reference(golden, file, name):
    t, _ = golden(file)
    logits = t[f"{name}.tokens"] @ t[f"{name}.weight"].T + t[f"{name}.bias"]  # (B, N, K)
    temperature = t[f"{name}.temperature"].reshape(-1, logits.shape[2])

    scaled, confidence = scaled_logits(logits, temperature), token_confidence(logits, temperature)

    torch.testing.assert_close(scaled.view_as(t[f"{name}.scaled_logits"]), t[f"{name}.scaled_logits"], **TOLERANCE)
    torch.testing.assert_close(confidence.view_as(t[f"{name}.confidence"]), t[f"{name}.confidence"], **TOLERANCE)


@pytest.mark.parametrize("file", files("confidence"))
@pytest.mark.parametrize("name", list(Modality))
def test_loss_over_tokens_matches_the_reference(golden, file, name):
    t, _ = golden(file)
    shape = (*t[f"{name}.tokens"].shape[:2], -1)
    label = t[f"{name}.y"].reshape(shape[0], -1)
    labels = label.unsqueeze(1)  # every token, padding too, tells the label of its stay

    for stage, logits in (("stage2", "logits"), ("stage2b", "scaled_logits")):
        found = t[f"{name}.{logits}"].reshape(shape)
        loss = label_loss(found, labels.expand_as(found))
        torch.testing.assert_close(loss, t[f"{name}.{stage}_bce"], **TOLERANCE)


@pytest.mark.parametrize("file", files("late"))
def test_late_matches_both_forms_of_the_reference(golden, file):
    t, meta = golden(file)
    order = [name for name in meta["pred_order"].split(",") if name in list(Modality)]
    column = [meta["modalities"].lower().split("-").index(name) for name in order]
    always = torch.ones(len(t["present"]), t["preds"].shape[1] - len(order))

    repaired = weighted_late(t["preds"], torch.cat([t["present"][:, column], always], dim=1), t["weights"])
    swapped = torch.cat([t["present"], always], dim=1)  # column j masks row j, whatever it is
    published = weighted_late(t["preds"], swapped, t["weights"], compat="published")

    torch.testing.assert_close(repaired, t["late_fixed"], **TOLERANCE)
    torch.testing.assert_close(published, t["late_reference"], **TOLERANCE)


@pytest.mark.parametrize("file", files("text_chunks"))
def test_chunk_average_matches_the_reference(golden, file):
    t, _ = golden(file)
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


@pytest.mark.parametrize("file", files("medfuse"))
def test_medfuse_matches_the_published_numbers(golden, file):
    t, _ = golden(file)
    width, (stays, labels) = t["feat.ehr"].shape[1], t["out"].shape
    config = make_config(compat=Compat.PUBLISHED, score="confidence", high_share=None)
    config = config.model_copy(update={"encoder": config.encoder.model_copy(update={"width": width})})
    names = (Modality.EHR, Modality.CXR)
    network = build_rival(
        Rival.MEDFUSE, config, spec=make_spec(names, labels), raw_width=dict.fromkeys(names, width)
    ).eval()
    state = {}
    for kind in ("weight", "bias"):
        state[f"head.norm.{kind}"] = t[f"w.lstm_classifier.classifier.layernorm.{kind}"]
        state[f"head.linear.{kind}"] = t[f"w.lstm_classifier.classifier.fc.{kind}"]
        for gate in ("ih", "hh"):
            state[f"mixer.lstm.{kind}_{gate}_l0"] = t[f"w.lstm_fusion_layer.{kind}_{gate}_l0"]
    for m in names:  # the features of the file are projected already
        state[f"stem.projection.{m}.weight"], state[f"stem.projection.{m}.bias"] = torch.eye(width), torch.zeros(width)
    network.load_state_dict(state)
    one = torch.ones(stays, 1, dtype=torch.bool)
    modality = {
        m: ModalityTokens(t[f"feat.{m}"].unsqueeze(1), one, t[f"feat.{m}"], torch.zeros(stays, labels)) for m in names
    }
    output = network(StayTokens(one.expand(stays, 2), modality))
    torch.testing.assert_close(output.logits, t["out"], **TOLERANCE)


@pytest.mark.parametrize("file", files("?msma"))
@pytest.mark.parametrize("name", list(ABLATION))
def test_whole_network_matches_the_reference_file(golden, file, name):
    t, meta = golden(file)
    t = {**t, "w.weights": t[f"w.weights.{name}" if name else "w.weights"]}
    variant = Published(
        tuple(meta["modalities"].lower().split("-")),
        int(meta["num_classes"]),
        float(meta["threshold"]),
        score=meta["score"],
        fuser=meta["fuser"].lower(),
        ablation=name,
    )
    features, fusion = our_network(t, variant)
    output, slow = fusion(features), forward(t, variant)

    suffix = f".{name}" if name else ""
    for head in ("high", "late") if name else ("high", "low", "late"):
        torch.testing.assert_close(getattr(output, head), t[f"out.{head}{suffix}"], **TOLERANCE)
        torch.testing.assert_close(slow[head], t[f"out.{head}{suffix}"], **TOLERANCE)
    if not name:
        for m, logits in output.unimodal.items():
            torch.testing.assert_close(logits, t[f"mid.pred.{m}"], **TOLERANCE)
        torch.testing.assert_close(output.missingness, t["mid.pred.missingness"], **TOLERANCE)
        assert_repaired_late(t, meta)


def assert_repaired_late(t, meta) -> None:
    """The same heads, masked by name, weights of a label summing to one."""
    order = meta["pred_order"].split(",")
    columns = dict(zip(meta["modalities"].lower().split("-"), t["in.present"].T, strict=True))
    heads = [t["mid.pred." + name] if f"mid.pred.{name}" in t else t[f"out.{name}"] for name in order]
    present = torch.stack([columns.get(name, torch.ones(len(t["in.present"]))) for name in order], dim=1)
    late = weighted_late(torch.stack(heads, dim=1), present, t["w.weights"])
    torch.testing.assert_close(late, t["fix.late"], **TOLERANCE)


@pytest.mark.parametrize("name", list(ABLATION))
@pytest.mark.parametrize("fuser", FUSERS)
@pytest.mark.parametrize("score", ["conf", "entropy"])
@pytest.mark.parametrize("labels", [1, 25])
@torch.no_grad()
def test_every_variant_matches_the_published_graph_written_out_slowly(labels, score, fuser, name):
    """Four modalities with rr and dn swapped, one label or 25, empty groups, both scores, all ablations."""
    variant = Published(
        ("ehr", "cxr", "rr", "dn"),
        labels,
        0.6 if score == "conf" else 0.68,
        score=score,
        fuser=fuser,
        ablation=name,
    )
    t = made_up_weights(variant, PRESENCE)
    features, fusion = our_network(t, variant)
    output, expected = fusion(features), forward(t, variant)
    for head in ("high", "low", "late"):
        torch.testing.assert_close(getattr(output, head), expected[head], **TOLERANCE)


VARIANT = Published(("ehr", "cxr", "rr", "dn"), 25, 0.6)


@torch.no_grad()
def test_made_up_weights_give_full_and_empty_groups():
    features, _ = our_network(made_up_weights(VARIANT, PRESENCE), VARIANT)
    share = torch.cat([one.high_share for one in features.modality.values()])
    assert (share == 0).any()
    assert (share == 1).any()
    assert ((share > 0) & (share < 1)).any()


@pytest.mark.parametrize(("is_published", "heard"), [(True, "rr"), (False, "dn")])
def test_published_late_head_hears_rr_where_only_dn_is_there(is_published, heard):
    t = made_up_weights(VARIANT, torch.tensor([[1.0, 0.0, 0.0, 1.0]]))  # no rr, but dn
    features, fusion = our_network(t, VARIANT)
    if not is_published:
        fusion.order = fusion.modalities  # one list drives heads and masks, as in the repaired form
    fusion(features).late.sum().backward()
    for name in (Modality.RR, Modality.DN):
        gradient = fusion.branch[name].head.linear.bias.grad
        assert bool(gradient.abs().sum() > 0) is (name == heard)
