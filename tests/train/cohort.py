"""A made-up cohort in memory, in place of shards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from medpatch.config.cohort import CohortConfig
from medpatch.config.modality import ModalityConfig
from medpatch.config.model import TINY, EncoderConfig, FusionConfig, ModelConfig
from medpatch.config.name import PHENOTYPES, Modality, Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import TrainConfig
from medpatch.contract.batch import Batch
from medpatch.feature.opening import SplitIndex
from medpatch.model.extractor import restrict
from medpatch.model.spec import InputSpec

IMAGE_PX, VOCABULARY, CHUNK = 16, 40, 10


@dataclass
class MadeUp:
    """A cohort and the configuration to train on it.

    Attributes:
        splits: one batch with all stays of a split.
        config: a quick run.
        data: fingerprint that the tensors claim to have.
    """

    splits: dict[Split, Batch]
    config: PipelineConfig
    data: str = "tensors-a"

    def spec(self, tensor_dir: Path) -> tuple[InputSpec, str]:
        """Stands in for `input_spec`."""
        train = self.splits[Split.TRAIN]
        labels = train.label.shape[1]
        prevalence = train.label.mean(dim=0).clamp(0.02, 0.98).tolist()
        names = PHENOTYPES[:labels]
        return InputSpec(train.modalities, names, tuple(prevalence), IMAGE_PX, VOCABULARY, CHUNK), self.data

    def open(
        self,
        tensor_dir: Path,
        split: Split,
        modalities: Sequence[Modality],
        *,
        required: Sequence[Modality] = (),
    ) -> Iterable[Batch]:
        """Stands in for `open_split`, five stays at a time."""
        whole = restrict(self.splits[split], modalities)
        rows = torch.ones(len(whole.label), dtype=torch.bool)
        for modality in required:
            rows &= whole.presence[:, modalities.index(modality)]
        for index in rows.nonzero().flatten().split(5):
            yield pick(whole, index)

    def index(self, tensor_dir: Path, split: Split, modalities: Sequence[Modality]) -> SplitIndex:
        """Stands in for `open_index`."""
        whole = restrict(self.splits[split], modalities)
        return SplitIndex(whole.stay_id, whole.subject_id, whole.label, whole.presence, tuple(modalities))


def pick(batch: Batch, index: torch.Tensor) -> Batch:
    """Some stays of a batch."""
    return Batch(
        stay_id=batch.stay_id[index],
        subject_id=batch.subject_id[index],
        label=batch.label[index],
        presence=batch.presence[index],
        modalities=batch.modalities,
        value={m: v[index] for m, v in batch.value.items()},
        mask={m: v[index] for m, v in batch.mask.items()},
    )


def make_cohort(
    stays: int, *, seed: int, labels: int = 2, first_id: int = 0, label: torch.Tensor | None = None
) -> Batch:
    """Stays whose label shows in one hour, one corner of the image and one word; a third lacks each modality."""
    g = torch.Generator().manual_seed(seed)
    if label is None:
        label = (torch.rand(stays, labels, generator=g) < 0.4).float()
    sign = label * 2 - 1
    presence = torch.rand(stays, len(Modality), generator=g) < 0.67
    presence[:, 0] = True
    ehr = torch.randn(stays, 6, 76, generator=g) * 0.3
    ehr[:, 2, :labels] += 2 * sign
    image = torch.randint(100, 140, (stays, IMAGE_PX, IMAGE_PX), generator=g, dtype=torch.uint8)
    image[:, :4, :4] = torch.where(label[:, :1, None] > 0.5, 250, 10).to(torch.uint8)
    steps = torch.randint(3, 7, (stays, 1), generator=g)
    value = {Modality.EHR: ehr, Modality.CXR: image}
    mask = {
        Modality.EHR: (torch.arange(6) < steps) & presence[:, :1],
        Modality.CXR: presence[:, 1].clone(),
    }
    for column, name in ((2, Modality.RR), (3, Modality.DN)):
        words = torch.randint(10, VOCABULARY, (stays, 2, CHUNK), generator=g)
        words[:, 0, 1] = 2 + label[:, -1].long()
        length = torch.randint(3, CHUNK + 1, (stays, 2, 1), generator=g)
        value[name] = words
        mask[name] = (torch.arange(CHUNK) < length) & presence[:, column, None, None]
    ids = torch.arange(first_id, first_id + stays)
    return Batch(ids, ids, label, presence, tuple(Modality), value, mask)


def make_config(**train: object) -> PipelineConfig:
    """A quick run with tiny encoders."""
    settings = {
        "batch_size": 8,
        "learning_rate": 1e-2,
        "weight_decay": 0.0,
        "unimodal_epochs": 3,
        "confidence_epochs": 3,
        "fusion_epochs": 3,
        "augment_cxr": False,
        "device": "cpu",
        "cache_type": "float32",
    }
    return PipelineConfig(
        cohort=CohortConfig(task=Task.PHENOTYPING, window_hours=None),
        modality=ModalityConfig(modalities=tuple(Modality), image_size_px=IMAGE_PX, note_chunk_tokens=CHUNK),
        model=ModelConfig(
            encoder=EncoderConfig(ehr_width=8, cxr_name=TINY, note_name=TINY, is_note_frozen=False, width=8),
            fusion=FusionConfig(),
        ),
        train=TrainConfig(**(settings | train)),
    )


def with_model(config: PipelineConfig, *, encoder: dict | None = None, fusion: dict | None = None) -> PipelineConfig:
    """The configuration with other fields of the encoders or of fusion."""
    model = config.model.model_copy(
        update={
            "encoder": config.model.encoder.model_copy(update=encoder or {}),
            "fusion": FusionConfig(**{**config.model.fusion.model_dump(), **(fusion or {})}),
        }
    )
    return config.model_copy(update={"model": model})
