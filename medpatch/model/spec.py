"""What the network must know about its inputs; nothing here is learned."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medpatch.config.name import Modality


@dataclass(frozen=True)
class InputSpec:
    """Facts about the tensors that fix the network's shape.

    Attributes:
        modalities: the M modalities of the run, in canonical order.
        label_names: names of the K labels, in tensor order.
        prevalence: share of positive train stays per label, K numbers in (0, 1).
        image_size_px: side of the square radiograph, pixels.
        vocabulary_size: ids of the note tokenizer; 0 where the run has no notes.
        note_chunk_tokens: longest chunk of a note, ids.
    """

    modalities: tuple[Modality, ...]
    label_names: tuple[str, ...]
    prevalence: tuple[float, ...]
    image_size_px: int
    vocabulary_size: int
    note_chunk_tokens: int

    @property
    def label_count(self) -> int:
        """K."""
        return len(self.label_names)

    def to_json(self) -> dict[str, Any]:
        """Plain values, the inverse of `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "InputSpec":
        """The value that `to_json` described."""
        return cls(
            modalities=tuple(Modality(m) for m in value["modalities"]),
            label_names=tuple(value["label_names"]),
            prevalence=tuple(float(p) for p in value["prevalence"]),
            image_size_px=int(value["image_size_px"]),
            vocabulary_size=int(value["vocabulary_size"]),
            note_chunk_tokens=int(value["note_chunk_tokens"]),
        )
