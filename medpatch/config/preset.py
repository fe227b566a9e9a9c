"""Named configurations, built like models: `preset("tiny_in_hospital_mortality")`."""

from collections.abc import Callable
from enum import StrEnum

from medpatch.config.cohort import CohortConfig, SplitConfig
from medpatch.config.error import ConfigError
from medpatch.config.modality import ModalityConfig, Scaling
from medpatch.config.model import TINY, EncoderConfig, ModelConfig, Summary
from medpatch.config.name import Modality, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import CacheType, Select, TrainConfig


def in_hospital_mortality() -> PipelineConfig:
    """In-hospital mortality from the first 48 h, paper-size encoders."""
    return PipelineConfig(
        cohort=CohortConfig(task=Task.IN_HOSPITAL_MORTALITY, window_hours=48),
        modality=ModalityConfig(modalities=(Modality.EHR, Modality.CXR, Modality.RR)),
        train=TrainConfig(unimodal_select=Select.LOSS),
    )


def phenotyping() -> PipelineConfig:
    """25 clinical conditions from the whole stay, paper-size encoders."""
    return PipelineConfig(
        cohort=CohortConfig(task=Task.PHENOTYPING, window_hours=None),
        modality=ModalityConfig(modalities=tuple(Modality)),
    )


def tiny_in_hospital_mortality() -> PipelineConfig:
    """Mortality with encoders small enough for two CPU cores and no download."""
    return _tiny(in_hospital_mortality())


def tiny_phenotyping() -> PipelineConfig:
    """Phenotyping with encoders small enough for two CPU cores and no download."""
    return _tiny(phenotyping())


def _tiny(full: PipelineConfig) -> PipelineConfig:
    return full.model_copy(
        update={
            "split": SplitConfig(val_fraction=0.15, test_fraction=0.25),
            "modality": full.modality.model_copy(
                update={
                    "scaling": Scaling.TRAIN,
                    "image_size_px": 64,
                    "note_tokenizer": TINY,
                    "note_chunk_tokens": 128,
                    "note_max_chunks": 4,
                }
            ),
            "model": ModelConfig(
                encoder=EncoderConfig(
                    ehr_width=64,
                    ehr_dropout=0.1,
                    ehr_summary=Summary.MAX,
                    note_summary=Summary.MAX,
                    cxr_name=TINY,
                    note_name=TINY,
                    is_note_frozen=False,
                    width=64,
                )
            ),
            "train": TrainConfig(
                unimodal_select=full.train.unimodal_select,
                cache_type=CacheType.FLOAT32,
                batch_size=32,
                learning_rate=3e-3,
                unimodal_epochs=15,
                confidence_epochs=12,
                fusion_epochs=30,
                patience_epochs=5,
                augment_cxr=False,
                device="cpu",
            ),
        }
    )


PRESETS: dict[str, Callable[[], PipelineConfig]] = {
    build.__name__: build
    for build in (in_hospital_mortality, phenotyping, tiny_in_hospital_mortality, tiny_phenotyping)
}

PresetName = StrEnum("PresetName", {name: name for name in PRESETS})
"""The preset names as a type, so that forms and `--help` show the choices."""


def preset(name: str) -> PipelineConfig:
    """The configuration of that name.

    Raises:
        ConfigError: no preset has that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]()
