"""The whole run as one value."""

from pydantic import model_validator

from medpatch.config.base import Frozen, digest_of
from medpatch.config.cohort import CohortConfig, Correction, SplitConfig
from medpatch.config.modality import ModalityConfig, TextArm
from medpatch.config.model import ModelConfig
from medpatch.config.name import Modality, Task, label_names
from medpatch.config.train import EvaluateConfig, Head, TrainConfig


class PipelineConfig(Frozen):
    """Everything that decides the result of one pipeline run; rules that span sections live here."""

    cohort: CohortConfig
    split: SplitConfig = SplitConfig()
    modality: ModalityConfig
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _no_outcome_in_the_input(self) -> "PipelineConfig":
        if self.cohort.task is Task.IN_HOSPITAL_MORTALITY and Modality.DN in self.modality.modalities:
            raise ValueError(
                "modality.modalities: the discharge note (dn) is written after the outcome and tells "
                "in-hospital mortality; use ehr, cxr, rr, or the phenotyping task"
            )
        if self.cohort.task is Task.IN_HOSPITAL_MORTALITY and self.cohort.window_hours is None:
            raise ValueError("cohort.window_hours: in-hospital mortality needs a window in hours, for example 48")
        return self

    @model_validator(mode="after")
    def _reported_head_exists(self) -> "PipelineConfig":
        if self.evaluate.head in (Head.HIGH, Head.LOW) and not self.model.fusion.use_joint:
            raise ValueError(
                f"evaluate.head={self.evaluate.head}: without the joint module (model.fusion.use_joint=false) there is "
                "no such head; report late"
            )
        return self

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """The rules that are on: those of the cohort section, and those that an arm of the notes is made of."""
        is_known_arm = TextArm.REPORTS_KNOWN_BY_WINDOW_END in self.modality.text_arms
        arm = {Correction.REPORT_WINDOW, Correction.REPORT_KNOWN} if is_known_arm else set()
        return tuple(rule for rule in Correction if rule in self.cohort.rules or rule in arm)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the K labels, in tensor order."""
        return label_names(self.cohort.task)

    def data_digest(self, raw_fingerprint: str) -> str:
        """Names the folder of everything made before training: same digest, same tensors."""
        sections = (self.cohort, self.split, self.modality)
        return digest_of(*(section.flatten() for section in sections), raw_fingerprint)

    def run_digest(self, raw_fingerprint: str) -> str:
        """Names the folder of one trained and evaluated run."""
        return digest_of(self.flatten(), raw_fingerprint)
