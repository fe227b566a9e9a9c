"""Published weights, by their names in the reference files, in our modules."""

import torch
from torch import Tensor

from medpatch.config.model import Compat, EncoderConfig, Fuser, FusionConfig, ModelConfig, Score
from medpatch.config.name import Modality
from medpatch.contract.batch import Tokens
from medpatch.model.build import build_fusion, build_scorer
from medpatch.model.extractor import Extractor
from medpatch.model.feature import Features
from medpatch.model.fusion import Fusion
from medpatch.model.pool import masked_mean
from medpatch.model.spec import InputSpec
from reference.published import Published, Weights

ABLATION = {
    "": {},
    "without_joint_module": {"use_joint": False},
    "without_missingness_module": {"use_missingness": False},
    "without_late_module": {"use_late": False},
}
SCORE = {"conf": Score.CONFIDENCE, "entropy": Score.ENTROPY}
TRANSFORMER = {
    "attention_norm": "layers.0.0.norm",
    "query_key_value": "layers.0.0.fn.to_qkv",
    "output": "layers.0.0.fn.to_out.0",
    "mlp.mlp.0": "layers.0.1.norm",
    "mlp.mlp.1": "layers.0.1.fn.net.0",
    "mlp.mlp.4": "layers.0.1.fn.net.3",
}


def our_network(t: Weights, variant: Published) -> tuple[Features, Fusion]:
    """The features of the inputs `in.*`, and the fusion module with the weights `w.*`, in published numerics."""
    modalities = tuple(m for m in Modality if m in variant.modalities)
    width = t["in.ehr_pooled"].shape[1]
    config = ModelConfig(
        encoder=EncoderConfig(ehr_width=width, width=width),
        fusion=FusionConfig(
            score=SCORE[variant.score],
            threshold=variant.threshold,
            high_share=None,
            fuser=Fuser(variant.fuser),
            compat=Compat.PUBLISHED,
            **ABLATION[variant.ablation],
        ),
    )
    labels = variant.labels
    spec = InputSpec(modalities, tuple(map(str, range(labels))), (0.1,) * labels, 384, 0, 512)
    raw = {m: t[f"in.{m}_tokens"].shape[-1] for m in modalities}
    scorer = {m: build_scorer(config, spec, modality=m, width=raw[m]) for m in modalities}
    fusion = build_fusion(config, spec, raw_width=raw).eval()
    state: dict[str, Tensor] = {"late_weight": t["w.weights"]}
    modality = {}
    for m in modalities:
        layer = f"w.{m}_confidence_predictor.confidence_layer"
        scorer[m].predictor.load_state_dict({"weight": t[f"{layer}.weight"], "bias": t[f"{layer}.bias"]})
        scorer[m].temperature = t[f"w.{m}_temperature"].reshape(-1, labels)
        state |= _head(t, f"branch.{m}.head", f"w.{m}_classifier")
        if m is not Modality.EHR:
            encoder = "w.cxr_model.projection" if m is Modality.CXR else f"w.text_model.fc_{m}"
            theirs = {"unimodal": encoder, "high": f"w.{m}_high_proj", "low": f"w.{m}_low_proj"}
            for ours, name in theirs.items():
                state |= _pair(t, f"branch.{m}.{ours}_projection", name)
        modality[m] = Extractor({}, scorer, pools_padding=True).pool(m, _tokens(t, m))
    if fusion.high_joint is not None:
        for kind in ("high", "low"):
            state |= _head(t, f"{kind}_joint.head", f"w.{kind}_fuser_classifier")
            state |= _mixer(t, f"{kind}_joint.mixer", f"w.{kind}_fuser_{variant.fuser}", variant.fuser)
    if fusion.missingness is not None:
        state |= _head(t, "missingness.head", "w.missingness_classifier")
    fusion.load_state_dict(state)
    return Features(t["in.present"].bool(), modality), fusion


def _mixer(t: Weights, ours: str, theirs: str, fuser: str) -> dict[str, Tensor]:
    if fuser == "lstm":
        kinds = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return {f"{ours}.lstm.{kind}": t[f"{theirs}.{kind}"] for kind in kinds}
    state = {}
    if fuser == "transformer":
        for mine, name in TRANSFORMER.items():
            state |= _pair(t, f"{ours}.block.{mine}", f"{theirs}.{name}")
    return state


def _head(t: Weights, ours: str, theirs: str) -> dict[str, Tensor]:
    return _pair(t, f"{ours}.norm", f"{theirs}.classifier.layernorm") | _pair(
        t, f"{ours}.linear", f"{theirs}.classifier.fc"
    )


def _pair(t: Weights, ours: str, theirs: str) -> dict[str, Tensor]:
    return {f"{ours}.{kind}": t[f"{theirs}.{kind}"] for kind in ("weight", "bias") if f"{theirs}.{kind}" in t}


def _tokens(t: Weights, name: Modality) -> Tokens:
    value = t[f"in.{name}_tokens"]
    mask = torch.ones(value.shape[:2], dtype=torch.bool)
    pooled = {Modality.EHR: t["in.ehr_pooled"], Modality.CXR: value[:, 0]}
    return Tokens(value, mask, pooled[name] if name in pooled else masked_mean(value, mask))
