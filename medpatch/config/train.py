"""How the weights are found."""

from enum import StrEnum

from pydantic import Field

from medpatch.config.base import Frozen
from medpatch.config.name import Rival


class Head(StrEnum):
    """Which output of the network is the reported prediction."""

    LATE = "late"
    HIGH = "high"
    LOW = "low"
    VALIDATION = "validation"


class TrainConfig(Frozen):
    """How the weights are found, for all stages."""

    seed: int = Field(1002, ge=0, description="the one seed of initialisation, shuffling and dropout")
    batch_size: int = Field(16, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    gradient_clip_norm: float = Field(1.0, gt=0)
    unimodal_epochs: int = Field(100, gt=0)
    confidence_epochs: int = Field(100, gt=0)
    fusion_epochs: int = Field(100, gt=0)
    patience_epochs: int = Field(15, gt=0, description="validations without improvement before stopping")
    calibration_share: float = Field(
        0.5, gt=0, lt=1, description="share of val subjects kept from model selection, for the temperatures"
    )
    confidence_tokens: int = Field(
        2_000_000, gt=0, description="tokens per split that the confidence stage reads; more stays are sampled"
    )
    augment_cxr: bool = Field(True, description="random flip and affine on training images in the unimodal stage")
    device: str = Field("auto", description="auto, cpu or cuda")


class EvaluateConfig(Frozen):
    """How the test split is judged."""

    rivals: tuple[Rival, ...] = Field(
        (Rival.EARLY,), description="models trained beside MedPatch and compared with it in the report"
    )
    bootstrap_resamples: int = Field(1000, gt=0, description="patient-level resamples per interval")
    interval_level: float = Field(0.95, gt=0, lt=1)
    calibration_bins: int = Field(10, gt=1)
    head: Head = Field(
        Head.LATE, description="reported head; 'validation' takes the one with the best macro AUROC there"
    )
    batch_size: int = Field(64, gt=0, description="stays per forward pass, without gradients")
    seed: int = Field(0, ge=0, description="seed of the bootstrap")
