"""The published fusion graph, written out slowly and independently of our modules, with its mistakes.

Source: the published code of MedPatch as described in its paper; tensor names are those of the reference files.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

ORDER = ("ehr", "cxr", "dn", "rr")
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Published:
    """Which variant.

    Attributes:
        modalities: names in the order of the presence columns.
        labels: K.
        threshold: of the score.
        score: "conf" or "entropy".
        fuser: "none", "lstm" or "transformer".
        ablation: "", "without_joint_module", "without_missingness_module" or "without_late_module".
    """

    modalities: tuple[str, ...]
    labels: int
    threshold: float
    score: str = "conf"
    fuser: str = "none"
    ablation: str = ""


def forward(t: Weights, variant: Published) -> dict[str, Tensor]:
    """Logits "high", "low" and "late" (B, K) from inputs `in.*` and weights `w.*`."""
    order = [m for m in ORDER if m in variant.modalities]
    heads, groups = [], {"high": [], "low": []}
    for m in order:
        heads.append(_head(_unimodal_vector(t, m), t, f"w.{m}_classifier"))
        score = token_score(t, m, variant)  # (B, N, K)
        for kind, pools in groups.items():
            tokens = t[f"in.{m}_tokens"]
            if m != "ehr":
                tokens = tokens @ t[f"w.{m}_{kind}_proj.weight"].T + t[f"w.{m}_{kind}_proj.bias"]
            chosen = score >= variant.threshold if kind == "high" else score < variant.threshold
            pools.append(_group(tokens, score, chosen))
    pattern = _head(t["in.present"], t, "w.missingness_classifier")
    high, low = (_fuse(groups[kind], t, kind, variant) for kind in ("high", "low"))
    if variant.ablation == "without_joint_module":
        high = low = pattern
    parts = {
        "": [*heads, pattern, low, high],
        "without_joint_module": [*heads, pattern],
        "without_missingness_module": [*heads, low, high],
        "without_late_module": [pattern, low, high],
    }[variant.ablation]
    present = t["in.present"] if variant.ablation != "without_late_module" else t["in.present"][:, :0]
    return {"high": high, "low": low, "late": _late(parts, present, t["w.weights"])}


def token_score(t: Weights, m: str, variant: Published) -> Tensor:
    """(B, N, K) of one modality; every position counts, padding too."""
    layer = f"w.{m}_confidence_predictor.confidence_layer"
    logits = t[f"in.{m}_tokens"] @ t[f"{layer}.weight"].T + t[f"{layer}.bias"]
    if not (m == "ehr" and variant.labels > 1):
        logits = logits / t[f"w.{m}_temperature"].reshape(1, -1, variant.labels)[:, : logits.shape[1]].clamp_min(1e-9)
    p = 1 / (1 + torch.exp(-logits))
    if variant.score == "entropy":
        return torch.special.entr(p) + torch.special.entr(1 - p)
    return torch.maximum(p, 1 - p)


def _unimodal_vector(t: Weights, m: str) -> Tensor:
    if m == "ehr":
        return t["in.ehr_pooled"]
    name = "w.cxr_model.projection" if m == "cxr" else f"w.text_model.fc_{m}"
    projected = t[f"in.{m}_tokens"] @ t[f"{name}.weight"].T + t[f"{name}.bias"]
    return projected[:, 0] if m == "cxr" else projected.mean(dim=1)


def _group(tokens: Tensor, score: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Means (B, K, D) and (B, K) over the chosen tokens, one stay and label at a time; zeros where none is."""
    stays, _, labels = score.shape
    mean, confidence = torch.zeros(stays, labels, tokens.shape[-1]), torch.zeros(stays, labels)
    for b in range(stays):
        for k in range(labels):
            rows = chosen[b, :, k].nonzero().flatten()
            if len(rows):
                mean[b, k], confidence[b, k] = tokens[b, rows].mean(dim=0), score[b, rows, k].mean()
    return mean, confidence


def _fuse(groups: list[tuple[Tensor, Tensor]], t: Weights, kind: str, variant: Published) -> Tensor:
    entries = torch.cat([mean for mean, _ in groups], dim=1)  # (B, M * K, D), modality by modality
    key = torch.cat([confidence for _, confidence in groups], dim=1)
    head = f"w.{kind}_fuser_classifier"
    if variant.fuser == "none":
        return _head(entries.flatten(1), t, head)
    rows = []
    for b in range(len(entries)):
        sequence = entries[b, torch.argsort(key[b], stable=True)]
        rows.append(
            (_lstm if variant.fuser == "lstm" else _transformer)(sequence, t, f"w.{kind}_fuser_{variant.fuser}")
        )
    return _head(torch.stack(rows), t, head)


def _lstm(sequence: Tensor, t: Weights, name: str) -> Tensor:
    """The state after the last entry of (E, D)."""
    state = cell = torch.zeros(sequence.shape[1])
    for entry in sequence:
        gates = t[f"{name}.weight_ih_l0"] @ entry + t[f"{name}.bias_ih_l0"]
        gates = gates + t[f"{name}.weight_hh_l0"] @ state + t[f"{name}.bias_hh_l0"]
        let_in, forget, new, let_out = gates.chunk(4)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(let_in) * torch.tanh(new)
        state = torch.sigmoid(let_out) * torch.tanh(cell)
    return state


def _transformer(sequence: Tensor, t: Weights, name: str) -> Tensor:
    """Mean over entries after one pre-norm block of 8 heads, together as wide as an entry, over (E, D)."""
    attend, widen = f"{name}.layers.0.0", f"{name}.layers.0.1"
    query, key, value = (_norm(sequence, t, f"{attend}.norm") @ t[f"{attend}.fn.to_qkv.weight"].T).chunk(3, dim=1)
    heard, size = [], sequence.shape[1] // 8
    for h in range(8):
        part = slice(size * h, size * (h + 1))
        share = torch.softmax(query[:, part] @ key[:, part].T / math.sqrt(size), dim=1)
        heard.append(share @ value[:, part])
    sequence = sequence + _linear(torch.cat(heard, dim=1), t, f"{attend}.fn.to_out.0")
    hidden = _linear(_norm(sequence, t, f"{widen}.norm"), t, f"{widen}.fn.net.0")
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return (sequence + _linear(hidden, t, f"{widen}.fn.net.3")).mean(dim=0)


def _late(parts: list[Tensor], present: Tensor, weight: Tensor) -> Tensor:
    """Column j of the presence multiplies part j whatever it is; one normaliser for all labels."""
    mask = torch.cat([present, torch.ones(len(present), len(parts) - present.shape[1])], dim=1)
    share = torch.softmax(weight, dim=0) * mask.unsqueeze(-1)
    share = share / (share.flatten(1).sum(dim=1)[:, None, None] + 1e-8)
    return (share * mask.unsqueeze(-1) * torch.stack(parts, dim=1)).sum(dim=1)


def _head(vector: Tensor, t: Weights, name: str) -> Tensor:
    return _linear(_norm(vector, t, f"{name}.classifier.layernorm"), t, f"{name}.classifier.fc")


def _linear(vector: Tensor, t: Weights, name: str) -> Tensor:
    return vector @ t[f"{name}.weight"].T + t[f"{name}.bias"]


def _norm(vector: Tensor, t: Weights, name: str) -> Tensor:
    spread = (vector - vector.mean(dim=-1, keepdim=True)) / (
        vector.var(dim=-1, keepdim=True, correction=0) + 1e-5
    ).sqrt()
    return spread * t[f"{name}.weight"] + t[f"{name}.bias"]
