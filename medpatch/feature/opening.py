"""From a tensor folder to batches, to who is in a split, and to what the network must know of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Modality, Split
from medpatch.config.path import ask_for_repeatable_products
from medpatch.contract.batch import Batch
from medpatch.data.dataset import ShardDataset
from medpatch.data.loader import make_loader
from medpatch.data.spec import tensor_spec
from medpatch.model.spec import InputSpec

STAYS_PER_READ = 64


@dataclass(frozen=True)
class SplitIndex:
    """Who is in a split, in stored order.

    Attributes:
        stay_id: (n,) int64.
        subject_id: (n,) int64.
        label: (n, K) float.
        presence: (n, M) bool, columns in the order of `modalities`.
        modalities: in canonical order.
    """

    stay_id: Tensor
    subject_id: Tensor
    label: Tensor
    presence: Tensor
    modalities: tuple[Modality, ...]

    def __len__(self) -> int:
        """n."""
        return len(self.stay_id)

    def place(self, stay_id: Tensor) -> Tensor:
        """(m,) places in this split of stays that it holds.

        Raises:
            ValueError: one of them is not in the split.
        """
        ordered, order = self.stay_id.sort()
        found = torch.searchsorted(ordered, stay_id).clamp_max(max(len(ordered) - 1, 0))
        if len(stay_id) and (not len(ordered) or not torch.equal(ordered[found], stay_id)):
            raise ValueError("stays that the split does not hold; were the features made from other tensors?")
        return order[found]


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
    tensor_dir: Path, split: Split, *, modalities: Sequence[Modality], required: Sequence[Modality] = ()
) -> Iterable[Batch]:
    """Batches of a split in stored order, each stay once; none if no stay has what is required."""
    found = tensor_spec(tensor_dir)
    counts = [found.presence_count[split][m] for m in required] + [found.stay_count[split]]
    if not min(counts):
        return ()
    dataset = ShardDataset(tensor_dir, split, modalities=modalities, required=required, resident_shards=1)
    return make_loader(dataset, batch_size=STAYS_PER_READ, shuffle=False, seed=0)


def open_index(tensor_dir: Path, split: Split, *, modalities: Sequence[Modality]) -> SplitIndex:
    """Ids, labels and presence of a split; nothing else is decoded. Empty where the split has no stay."""
    found = tensor_spec(tensor_dir)
    if not found.stay_count[split]:
        none = torch.empty(0, dtype=torch.int64)
        presence = torch.empty(0, len(modalities), dtype=torch.bool)
        return SplitIndex(none, none, torch.empty(0, found.label_count), presence, tuple(modalities))
    dataset = ShardDataset(tensor_dir, split, modalities=modalities)
    return SplitIndex(
        stay_id=torch.tensor(dataset.stay_id),
        subject_id=torch.tensor(dataset.subject_id),
        label=torch.from_numpy(dataset.label()).float(),
        presence=torch.tensor(dataset.presence, dtype=torch.bool).view(len(dataset), len(modalities)),
        modalities=tuple(modalities),
    )


def choose_device(name: str) -> torch.device:
    """The device that "auto", "cpu" or "cuda" means here; the CPU where a GPU is asked for and there is none.

    A GPU is asked for repeatable products, which must happen before it is first used.
    """
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    ask_for_repeatable_products()
    return torch.device("cuda")
