"""Which modalities a run uses and how each becomes tensors."""

from enum import StrEnum

from pydantic import Field, field_validator

from medpatch.config.base import Frozen
from medpatch.config.name import Modality


class Scaling(StrEnum):
    """Where the mean and standard deviation of the numeric EHR channels come from."""

    PUBLISHED = "published"
    TRAIN = "train"


class ModalityConfig(Frozen):
    """Which modalities a run uses and how each becomes tensors."""

    modalities: tuple[Modality, ...] = Field(min_length=1, description="in the order ehr, cxr, rr, dn")
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
        None, gt=0, description="longest note kept, in chunks, newest text last; None = all"
    )
    tiny_vocabulary_size: int = Field(4096, gt=16, description="words kept by the 'tiny' tokenizer")
    shard_stays: int = Field(1024, gt=0, description="stays per Parquet shard")

    @field_validator("modalities")
    @classmethod
    def _in_canonical_order(cls, value: tuple[Modality, ...]) -> tuple[Modality, ...]:
        ordered = tuple(m for m in Modality if m in value)
        if len(ordered) != len(value):
            raise ValueError(f"modalities: {[str(m) for m in value]} names one twice; list each once")
        return ordered
