"""Which settings decide which folder of training: what is not listed here may change without training again."""

from typing import Any

from medpatch.config.base import digest_of
from medpatch.config.model import TINY
from medpatch.config.name import Modality, Rival
from medpatch.config.pipeline import PipelineConfig

LOOP = (
    "batch_size",
    "calibration_share",
    "gradient_clip_norm",
    "patience_epochs",
    "precision",
    "seed",
    "weight_decay",
)
"""Fields of `train` that every training loop reads."""
CACHE = ("cache_gib", "cache_type", "precision", "rival_tokens")


def encoder_part(config: PipelineConfig) -> dict[str, Any]:
    """What stage 1 reads: encoders with their projections and heads."""
    train = _train(config, *LOOP, "unimodal_epochs", "unimodal_select", "augment_cxr")
    return {
        "encoder": config.model.encoder.flatten(),
        "compat": str(config.model.fusion.compat),
        "train": train,
        "learning_rate": config.train.rate_of("unimodal"),
    }


def frozen_part(config: PipelineConfig, modality: Modality, *, revision: str) -> dict[str, Any]:
    """What the features of an encoder that never trains depend on: not on the seed, unless it is made from one."""
    encoder = config.model.encoder
    return {
        "modality": str(modality),
        "name": encoder.note_name,
        "revision": revision,
        "summary": str(encoder.note_summary),
        "compat": str(config.model.fusion.compat),
        "seed": config.train.seed if encoder.note_name == TINY else None,
        **feature_part(config, modality),
    }


def feature_part(config: PipelineConfig, modality: Modality) -> dict[str, Any]:
    """How the output of a frozen encoder is kept."""
    return _train(config, *CACHE, *(("cxr_views",) if modality is Modality.CXR else ()))


def confidence_part(config: PipelineConfig) -> dict[str, Any]:
    """What stage 2 reads beside an encoder."""
    score = config.model.fusion.model_dump(
        mode="json",
        include={"score", "threshold", "scorer_width", "high_share", "is_share_chosen", "temperature_positions"},
    )
    own = ("confidence_epochs", "confidence_tokens", "confidence_tokens_per_stay")
    train = _train(config, *LOOP, *own, "cache_type")
    return {"score": score, "train": train, "learning_rate": config.train.rate_of("confidence")}


def fusion_part(config: PipelineConfig) -> dict[str, Any]:
    """What stage 3 reads beside encoders and scorers."""
    train = _train(config, *LOOP, "cache_type", "cxr_views", "fine_tune", "fusion_epochs", "loss_weighting")
    return {
        "fusion": config.model.fusion.flatten(),
        "train": train,
        "learning_rate": config.train.rate_of("fusion"),
    }


def rival_part(config: PipelineConfig, rival: Rival) -> dict[str, Any]:
    """What a rival reads beside the encoders."""
    own = {"joint_from_scratch": config.train.joint_from_scratch} if rival is Rival.JOINT else {}
    train = _train(config, *LOOP, "cache_type", "fusion_epochs", "rival_tokens")
    return {"rival": str(rival), "train": train | own, "learning_rate": config.train.rate_of(rival)}


def part_digest(part: dict[str, Any], *more: str) -> str:
    """Twelve hexadecimal digits that name the folder of a part."""
    return digest_of(part, *more)


def is_frozen(config: PipelineConfig, modality: Modality) -> bool:
    """True where the encoder stays as it was loaded, in every stage."""
    return modality in (Modality.RR, Modality.DN) and config.model.encoder.is_note_frozen


def _train(config: PipelineConfig, *fields: str) -> dict[str, Any]:
    tree = config.train.model_dump(mode="json")
    return {name: tree[name] for name in fields}
