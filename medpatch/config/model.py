"""Shape of the network: encoders, confidence, fusion."""

from enum import StrEnum

from pydantic import Field, model_validator

from medpatch.config.base import Frozen

TINY = "tiny"


class Fuser(StrEnum):
    """How the joint module combines the modalities' pooled tokens."""

    NONE = "none"
    LSTM = "lstm"
    TRANSFORMER = "transformer"


class Score(StrEnum):
    """What "sure of a token" is measured by."""

    CONFIDENCE = "confidence"
    PRIOR_SHIFTED = "prior_shifted"
    INFORMATION = "information"
    ENTROPY = "entropy"


class Compat(StrEnum):
    """Numerics of the published code, or the repaired ones."""

    REPAIRED = "repaired"
    PUBLISHED = "published"


class Late(StrEnum):
    """How the predictions of all heads become one."""

    EVIDENCE = "evidence"
    MEAN = "mean"


class Summary(StrEnum):
    """What of the tokens of a stay stands for the whole of them."""

    LAST = "last"
    MEAN = "mean"
    MAX = "max"


class EhrKind(StrEnum):
    """How the hours of an EHR become tokens."""

    LSTM = "lstm"
    TRANSFORMER = "transformer"


class EncoderConfig(Frozen):
    """One encoder per modality, each ending in tokens."""

    ehr_kind: EhrKind = Field(EhrKind.LSTM, description="lstm, as published, or a transformer over the hours")
    ehr_width: int = Field(512, gt=0, description="width of an EHR token: hidden size of the LSTM or transformer")
    ehr_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the columns of a stay that the LSTM does not see, and of the numbers of its tokens that "
        "are hidden, drawn anew in every training step; of a transformer, the dropout in its blocks. "
        "none = 0 for the LSTM, as published, and 0.1 for a transformer",
    )
    ehr_layers: int = Field(2, gt=0, description="blocks of the EHR transformer; the LSTM has one layer")
    ehr_summary: Summary = Field(
        Summary.LAST, description="unimodal EHR vector: the last state, as published, the mean or the maximum over time"
    )
    note_summary: Summary = Field(
        Summary.MEAN, description="unimodal note vector: the mean over word pieces, as published, or the maximum"
    )
    cxr_name: str = Field(
        "WinKawaks/vit-small-patch16-224",
        description="ViT hub name or local folder; 'tiny' builds a small one",
    )
    note_name: str = Field(
        "emilyalsentzer/Bio_ClinicalBERT",
        description="BERT hub name or local folder; 'tiny' builds a small one",
    )
    is_note_frozen: bool = Field(True, description="leave the text encoder as loaded in every stage")
    width: int = Field(512, gt=0, description="width D that every modality is projected to")


class FusionConfig(Frozen):
    """Confidence partition, joint, missingness and late modules."""

    score: Score = Field(Score.PRIOR_SHIFTED, description="what the confidence threshold is compared with")
    threshold: float = Field(0.75, ge=0.0, le=1.0, description="a token at or above it is 'high'")
    scorer_width: int = Field(
        0, ge=0, description="hidden width of the predictor of token confidence; 0, as published, is linear"
    )
    high_share: float | None = Field(
        0.01,
        gt=0,
        lt=1,
        description="share of train tokens that are 'high', per modality and label; replaces `threshold` unless none",
    )
    is_share_chosen: bool = Field(
        False,
        description="per modality and label, the share of 'high' tokens that tells the label best on val; "
        "`high_share` where val cannot judge. Without a `high_share` the threshold is fixed",
    )
    temperature_positions: int = Field(
        0, ge=0, description="calibrate so many token positions each on its own; 0 = one temperature per label"
    )
    fuser: Fuser = Fuser.NONE
    shares_projection: bool = Field(
        True,
        description="high and low pools of a modality go through one projection, at half the cost of the published "
        "two; without a fuser only",
    )
    use_joint: bool = Field(True, description="fuse the high and the low means of the modalities to a logit each")
    use_missingness: bool = Field(True, description="a head that reads which modalities a stay has")
    use_late: bool = Field(
        True, description="every modality's own prediction takes part in the weighted sum of all heads"
    )
    late: Late = Field(
        Late.EVIDENCE,
        description="evidence adds up what the heads know beyond the prevalence, with weights fitted on val after the "
        "training; mean is the published weighted mean of logits, learned on train. compat=published has the mean",
    )
    compat: Compat = Field(
        Compat.REPAIRED,
        description="numerics of the published code, which needs score=confidence or entropy and high_share=none, "
        "or repaired",
    )

    @property
    def is_late_fitted(self) -> bool:
        """True if the weights of the heads are fitted on val."""
        return self.late is Late.EVIDENCE and self.compat is Compat.REPAIRED

    @model_validator(mode="after")
    def _has_a_head(self) -> "FusionConfig":
        if not (self.use_joint or self.use_missingness or self.use_late):
            raise ValueError("fusion: use_joint, use_missingness and use_late are all off; no head is left")
        return self

    @model_validator(mode="after")
    def _published_scores_with_published_wiring(self) -> "FusionConfig":
        is_published_score = self.score in (Score.CONFIDENCE, Score.ENTROPY) and self.high_share is None
        if self.compat is Compat.PUBLISHED and not is_published_score:
            raise ValueError(
                f"fusion: compat=published goes with score=confidence (or entropy) and high_share=none, found "
                f"score={self.score} and high_share={self.high_share}; set them too, or compat=repaired"
            )
        return self


class ModelConfig(Frozen):
    """The whole network."""

    encoder: EncoderConfig = EncoderConfig()
    fusion: FusionConfig = FusionConfig()
