"""How the weights are found."""

from pydantic import Field

from medpatch.config.base import Frozen


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
    augment_cxr: bool = Field(True, description="random flip and affine on training images in the unimodal stage")
    device: str = Field("auto", description="auto, cpu or cuda")


class EvaluateConfig(Frozen):
    """How the test split is judged."""

    bootstrap_resamples: int = Field(1000, gt=0, description="patient-level resamples per interval")
    interval_level: float = Field(0.95, gt=0, lt=1)
    calibration_bins: int = Field(10, gt=1)
    seed: int = Field(0, ge=0, description="seed of the bootstrap")
