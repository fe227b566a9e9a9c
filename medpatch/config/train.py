"""How the weights are found."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from medpatch.config.base import Frozen
from medpatch.config.name import Rival


class Device(StrEnum):
    """Where networks run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Head(StrEnum):
    """Which output of the network is the reported prediction."""

    LATE = "late"
    HIGH = "high"
    LOW = "low"
    VALIDATION = "validation"


class LossWeighting(StrEnum):
    """How the high, low and late losses of the fusion stage are added up."""

    FIXED = "fixed"
    LEARNED = "learned"
    PUBLISHED = "published"


class Precision(StrEnum):
    """Type of the products in a forward pass; weights and their updates are always float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class CacheType(StrEnum):
    """Type of cached tokens and pools on disk."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


def _rate(part: str) -> Any:
    return Field(None, gt=0, description=f"learning rate of {part}; none takes train.learning_rate")


class RateConfig(Frozen):
    """Learning rate of one part alone; None takes `train.learning_rate`."""

    unimodal: float | None = _rate("stage 1, one encoder per modality")
    confidence: float | None = _rate("stage 2, the scorers")
    fusion: float | None = _rate("stage 3")
    early: float | None = _rate("the rival early")
    joint: float | None = _rate("the rival joint")
    medfuse: float | None = _rate("the rival medfuse")
    mmtm: float | None = _rate("the rival mmtm")
    daft: float | None = _rate("the rival daft")
    metra: float | None = _rate("the rival metra")
    healnet: float | None = _rate("the rival healnet")
    drfuse: float | None = _rate("the rival drfuse")
    availability: float | None = _rate("the rival availability")
    boosted_trees: float = Field(0.04, gt=0, description="shrinkage of each tree, of another size than the others")


class Select(StrEnum):
    """What makes an epoch the best."""

    AUROC = "auroc"
    LOSS = "loss"


class TrainConfig(Frozen):
    """How the weights are found, for all stages."""

    seed: int = Field(
        1002,
        ge=0,
        description="the one seed of initialisation, shuffling and dropout; the default is the published one",
    )
    batch_size: int = Field(16, gt=0, description="stays per gradient step")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, for every part that train.rate does not name")
    rate: RateConfig = RateConfig()
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    gradient_clip_norm: float = Field(1.0, gt=0, description="largest norm of a gradient; longer ones are scaled down")
    unimodal_epochs: int = Field(100, gt=0, description="most epochs of stage 1")
    confidence_epochs: int = Field(100, gt=0, description="most epochs of stage 2")
    fusion_epochs: int = Field(100, gt=0, description="most epochs of stage 3 and of the rivals")
    unimodal_select: Select = Field(
        Select.AUROC,
        description="what chooses the epoch of stage 1 on its part of val: the AUROC, as published, or the loss, less "
        "a matter of luck where the positives of a single label are few",
    )
    patience_epochs: int = Field(
        15,
        gt=0,
        description="validations without improvement before stopping; after more than half as many without a smaller "
        "loss the learning rate is halved",
    )
    calibration_share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="share of val subjects that choose no epoch of stages 1 and 2 and fit the temperatures instead",
    )
    confidence_tokens: int = Field(
        2_000_000, gt=0, description="tokens per split that the confidence stage reads; more stays are sampled"
    )
    confidence_tokens_per_stay: int = Field(
        64, gt=0, description="tokens of a stay that one pass of the confidence stage reads, drawn anew each epoch"
    )
    augment_cxr: bool = Field(True, description="random flip and affine on training images in the unimodal stage")
    loss_weighting: LossWeighting = Field(
        LossWeighting.FIXED, description="equal thirds, learned from the noise of each head, or as published"
    )
    fine_tune: bool = Field(False, description="let the encoders move in the fusion stage; frozen notes stay frozen")
    joint_from_scratch: bool = Field(False, description="the joint rival starts its encoders anew, not from stage 1")
    cxr_views: int = Field(1, gt=0, description="cached views of each train image for fusion; the first is unchanged")
    cache_type: CacheType = Field(CacheType.FLOAT16, description="type of cached tokens and pools on disk")
    cache_gib: float = Field(
        64.0, ge=0, description="disk for the tokens of one modality and split, GiB; the rest is encoded again"
    )
    rival_tokens: int = Field(
        64, gt=0, description="tokens per stay and modality that a rival reads; more are averaged"
    )
    precision: Precision = Precision.FLOAT32
    compile_encoders: bool = Field(
        False,
        description="compile encoders that stand still with torch.compile before their pass over all stays; worth a "
        "try on a GPU, no gain on a CPU (bench/encoder_pass.py)",
    )
    device: Device = Field(Device.AUTO, description="where networks run; auto takes a GPU that is there")
    processes: int = Field(1, gt=0, description="training processes on this machine, one per GPU or, on a CPU, core")
    state_seconds: float = Field(300.0, ge=0, description="how often a long epoch is saved for resuming, seconds")

    def rate_of(self, part: str) -> float:
        """The learning rate of a stage or rival."""
        own = self.rate.model_dump()[part]
        return self.learning_rate if own is None else own


class EvaluateConfig(Frozen):
    """How the test split is judged."""

    rivals: tuple[Rival, ...] = Field(
        (Rival.EARLY, Rival.STACKING), description="models made beside MedPatch and compared with it in the report"
    )
    bootstrap_resamples: int = Field(1000, gt=0, description="patient-level resamples per interval")
    interval_level: float = Field(0.95, gt=0, lt=1, description="coverage of every interval")
    calibration_bins: int = Field(
        10, gt=1, description="bins of probability in reliability curves and calibration error"
    )
    head: Head = Field(
        Head.LATE, description="reported head; 'validation' takes the one with the best macro AUROC there"
    )
    batch_size: int = Field(64, gt=0, description="stays per forward pass, without gradients")
    seed: int = Field(0, ge=0, description="seed of the bootstrap")
    min_group_stays: int = Field(
        30, gt=1, description="stays and patients below which a subgroup is counted as small and not judged"
    )
    min_count: int = Field(10, gt=0, description="counts from 1 to below this are hidden in table 1 and subgroups")
    age_edges_years: tuple[int, ...] = Field(
        (45, 65, 80), min_length=1, description="lower ends of the age bands after the youngest, years"
    )
    sensitivities: tuple[float, ...] = Field(
        (0.8, 0.9), description="operating points: sensitivity that the threshold reaches on validation"
    )
    alert_rates: tuple[float, ...] = Field(
        (0.05, 0.1), description="operating points: share of stays that the threshold alerts for on validation"
    )
    drop_shares: tuple[float, ...] = Field(
        (0.0, 0.25, 0.5, 0.75, 1.0), min_length=2, description="shares of stays that lose a modality, ascending"
    )
