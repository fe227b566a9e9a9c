"""Which modalities a run uses and how each becomes tensors."""

from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator, model_validator

from medpatch.config.base import Frozen
from medpatch.config.name import Modality


class Scaling(StrEnum):
    """Where the mean and standard deviation of the numeric EHR channels come from."""

    PUBLISHED = "published"
    TRAIN = "train"


class TextArm(StrEnum):
    """What a stay may read beside the published choice of notes.

    Source: radiology reports repeat what the image shows, and notes written late tell the outcome; the arms
    measure how much of a result that is.
    """

    WITH_DISCHARGE_NOTE = "with_discharge_note"
    RADIOLOGY_WITHOUT_CXR_REPORTS = "radiology_without_cxr_reports"
    REPORTS_KNOWN_BY_WINDOW_END = "reports_known_by_window_end"


class ModalityConfig(Frozen):
    """Which modalities a run uses and how each becomes tensors."""

    modalities: tuple[Modality, ...] = Field(min_length=1, description="in the order ehr, cxr, rr, dn")
    text_arms: tuple[TextArm, ...] = Field(
        (),
        description="with_discharge_note adds dn; radiology_without_cxr_reports leaves out reports of chest "
        "radiographs; reports_known_by_window_end keeps reports charted and, where the time is known, stored by then",
    )
    scaling: Scaling = Field(
        Scaling.PUBLISHED, description="EHR statistics: the published ones, or fitted on the train split"
    )
    image_size_px: int = Field(384, gt=0, description="side of the square image kept per stay, pixels")
    note_tokenizer: str = Field(
        "emilyalsentzer/Bio_ClinicalBERT",
        description="hub name or folder of a fast tokenizer; 'tiny' builds a word vocabulary from the train notes",
    )
    note_chunk_tokens: int = Field(512, gt=2, description="ids per chunk, [CLS] and [SEP] included")
    note_max_chunks: int | None = Field(
        None, gt=0, description="longest note kept, in chunks, newest text last; none = all"
    )
    tiny_vocabulary_size: int = Field(4096, gt=16, description="words kept by the 'tiny' tokenizer")
    shard_stays: int = Field(1024, gt=0, description="stays per Parquet shard")

    @model_validator(mode="before")
    @classmethod
    def _arm_brings_its_modality(cls, tree: Any) -> Any:
        if not isinstance(tree, dict) or "text_arms" not in tree:
            return tree
        arms = tree["text_arms"]
        arms = (arms,) if isinstance(arms, str) else tuple(arms or ())  # typed alone, or "none"
        modalities = tuple(tree.get("modalities", ()))
        if TextArm.WITH_DISCHARGE_NOTE in arms and Modality.DN not in modalities:
            modalities = (*modalities, Modality.DN)
        return {**tree, "text_arms": arms, "modalities": modalities}

    @field_validator("modalities")
    @classmethod
    def _in_canonical_order(cls, value: tuple[Modality, ...]) -> tuple[Modality, ...]:
        ordered = tuple(m for m in Modality if m in value)
        if len(ordered) != len(value):
            raise ValueError(f"modalities: {[str(m) for m in value]} names one twice; list each once")
        return ordered
