"""Random inputs and weights under the names of the reference files."""

import torch
from torch import Tensor

from reference.published import Published

STAYS, WIDTH = 5, 16
RAW = {"ehr": WIDTH, "cxr": 6, "rr": 10, "dn": 10}
LENGTH = {"ehr": 7, "cxr": 9, "rr": 8, "dn": 8}


def made_up_weights(variant: Published, present: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Everything that the published graph reads; among the groups are full, mixed and empty ones.

    Args:
        variant: which graph.
        present: (B, M) float.
        seed: of the numbers.
    """
    g = torch.Generator().manual_seed(seed)

    def noise(*shape: int, scale: float = 0.3) -> Tensor:
        return torch.randn(*shape, generator=g) * scale

    labels, count = variant.labels, len(variant.modalities)
    stays = len(present)
    t: dict[str, Tensor] = {"in.present": present, "in.ehr_pooled": noise(stays, WIDTH)}

    def head(name: str, width: int) -> None:
        t[f"{name}.classifier.layernorm.weight"] = 1 + noise(width)
        t[f"{name}.classifier.layernorm.bias"] = noise(width)
        t[f"{name}.classifier.fc.weight"], t[f"{name}.classifier.fc.bias"] = noise(labels, width), noise(labels)

    def linear(name: str, out: int, inside: int, *, bias: bool = True) -> None:
        t[f"{name}.weight"] = noise(out, inside)
        if bias:
            t[f"{name}.bias"] = noise(out)

    for m in variant.modalities:
        # the size of a stay's tokens decides whether all, some or none are sure
        size = torch.linspace(0.01, 6, stays)[:, None, None]
        t[f"in.{m}_tokens"] = noise(stays, LENGTH[m], RAW[m], scale=1.0) * size
        t[f"w.{m}_temperature"] = 0.5 + torch.rand(LENGTH[m] + 1, labels, generator=g)
        linear(f"w.{m}_confidence_predictor.confidence_layer", labels, RAW[m])
        t[f"w.{m}_confidence_predictor.confidence_layer.bias"] *= 0.1
        head(f"w.{m}_classifier", WIDTH)
        if m != "ehr":
            linear("w.cxr_model.projection" if m == "cxr" else f"w.text_model.fc_{m}", WIDTH, RAW[m])
            for kind in ("high", "low"):
                linear(f"w.{m}_{kind}_proj", WIDTH, RAW[m])
    # label 0 is sure of every radiograph: its other group is empty in every variant
    t["w.cxr_confidence_predictor.confidence_layer.bias"][0] = 9.0
    head("w.missingness_classifier", count)
    for kind in ("high", "low"):
        head(f"w.{kind}_fuser_classifier", WIDTH if variant.fuser != "none" else count * labels * WIDTH)
        name = f"w.{kind}_fuser_{variant.fuser}"
        if variant.fuser == "lstm":
            for gate in ("ih", "hh"):
                t[f"{name}.weight_{gate}_l0"] = noise(4 * WIDTH, WIDTH)
                t[f"{name}.bias_{gate}_l0"] = noise(4 * WIDTH)
        if variant.fuser == "transformer":
            for norm in ("layers.0.0.norm", "layers.0.1.norm"):
                t[f"{name}.{norm}.weight"], t[f"{name}.{norm}.bias"] = 1 + noise(WIDTH), noise(WIDTH)
            linear(f"{name}.layers.0.0.fn.to_qkv", 3 * WIDTH, WIDTH, bias=False)
            linear(f"{name}.layers.0.0.fn.to_out.0", WIDTH, WIDTH)
            linear(f"{name}.layers.0.1.fn.net.0", 2 * WIDTH, WIDTH)
            linear(f"{name}.layers.0.1.fn.net.3", WIDTH, 2 * WIDTH)
    heads = {"without_joint_module": count + 1, "without_missingness_module": count + 2, "without_late_module": 3}
    t["w.weights"] = noise(heads.get(variant.ablation, count + 3), labels, scale=1.0)
    return t
