"""From a tensor folder to batches, and to what the network must know of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from medpatch.config.name import Modality, Split
from medpatch.contract.batch import Batch
from medpatch.data.dataset import ShardDataset
from medpatch.data.loader import make_loader
from medpatch.data.spec import tensor_spec
from medpatch.model.spec import InputSpec

STAYS_PER_READ = 64


def input_spec(tensor_dir: Path) -> tuple[InputSpec, str]:
    """What the network must know, and the fingerprint of the tensors."""
    found = tensor_spec(tensor_dir)
    spec = InputSpec(
        modalities=tuple(found.modalities),
        label_names=tuple(found.label_names),
        prevalence=tuple(found.prevalence),
        image_size_px=found.image_size_px,
        vocabulary_size=found.vocabulary_size,
        note_chunk_tokens=found.note_chunk_tokens,
    )
    return spec, found.fingerprint


def open_split(
    tensor_dir: Path, split: Split, modalities: Sequence[Modality], *, required: Sequence[Modality] = ()
) -> Iterable[Batch]:
    """Batches of a split in stored order, each stay once; none if no stay has what is required."""
    found = tensor_spec(tensor_dir)
    counts = [found.presence_count[split][m] for m in required] + [found.stay_count[split]]
    if not min(counts):
        return ()
    dataset = ShardDataset(tensor_dir, split, modalities, required=required, resident_shards=1)
    return make_loader(dataset, batch_size=STAYS_PER_READ, shuffle=False, seed=0)


def choose_device(name: str) -> torch.device:
    """The device that "auto", "cpu" or "cuda" means here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
