"""Facts about a tensor folder that a model builder needs before it reads a shard."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medpatch.config.error import ContractError
from medpatch.config.name import Modality, Split
from medpatch.contract.artifact import fingerprint
from medpatch.contract.tensor import SPEC


@dataclass(frozen=True)
class TensorSpec:
    """What the shards hold.

    Attributes:
        fingerprint: digest of the folder.
        task: the task whose labels it holds.
        label_names: names of the K labels, in tensor order.
        aligned: the modalities that were asked for, in canonical order.
        modalities: those of them that at least one train stay has.
        image_size_px: side of the square radiograph.
        note_chunk_tokens: longest chunk of a note, ids.
        vocabulary_size: ids of the note tokenizer, 0 without notes.
        pad_id: its padding id, 0 without notes.
        stay_count: stays per split.
        presence_count: per split, stays that have each modality.
        prevalence: (K,) share of positive train stays, kept half a stay away from 0 and 1 so that its logit
            is finite.
    """

    fingerprint: str
    task: str
    label_names: tuple[str, ...]
    aligned: tuple[Modality, ...]
    modalities: tuple[Modality, ...]
    image_size_px: int
    note_chunk_tokens: int
    vocabulary_size: int
    pad_id: int
    stay_count: Mapping[Split, int]
    presence_count: Mapping[Split, Mapping[Modality, int]]
    prevalence: tuple[float, ...]

    @property
    def label_count(self) -> int:
        """K."""
        return len(self.label_names)


def tensor_spec(tensor_dir: Path) -> TensorSpec:
    """Read the facts that `align` wrote beside the shards.

    Raises:
        ContractError: the folder is not finished, has no train stay, or its spec is of another shape.
    """
    digest = fingerprint(tensor_dir)
    file = tensor_dir / SPEC
    try:
        content = json.loads(file.read_text())
        aligned = tuple(Modality(m) for m in content["modalities"])
        presence = {split: {m: int(content["presence_count"][split][m]) for m in aligned} for split in Split}
        stay_count = {split: int(content["stay_count"][split]) for split in Split}
        if not stay_count[Split.TRAIN]:
            raise ContractError(
                f"{tensor_dir}: the train split has no stay; look at the split fractions and cohort_attrition"
            )
        return TensorSpec(
            fingerprint=digest,
            task=content["task"],
            label_names=tuple(content["label_names"]),
            aligned=aligned,
            modalities=tuple(m for m in aligned if presence[Split.TRAIN][m]),
            image_size_px=content["image_size_px"],
            note_chunk_tokens=content["note_chunk_tokens"],
            vocabulary_size=content["vocabulary_size"],
            pad_id=content["pad_id"],
            stay_count=stay_count,
            presence_count=presence,
            prevalence=_prevalence(content["train_label_sum"], stay_count[Split.TRAIN]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContractError(f"{file}: not a readable description of the shards; run align again") from error


def _prevalence(positive: list[int], count: int) -> tuple[float, ...]:
    return tuple(min(max(k, 0.5), count - 0.5) / count for k in positive)
