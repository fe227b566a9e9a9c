"""Where the earlier stages left what fusion, rivals and prediction read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from medpatch.config.name import Modality


@dataclass(frozen=True)
class StageDirs:
    """One folder per modality that was not dropped.

    Attributes:
        unimodal: stage-1 folders.
        feature: what the frozen encoders left.
        confidence: stage-2 folders; rivals read none.
        pool: what fusion reads, made of features and scorers; rivals read none.
    """

    unimodal: Mapping[Modality, Path]
    feature: Mapping[Modality, Path]
    confidence: Mapping[Modality, Path]
    pool: Mapping[Modality, Path]

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """In canonical order."""
        return tuple(m for m in Modality if m in self.unimodal)

    def to_json(self) -> dict[str, dict[str, str]]:
        """Plain values, the inverse of `from_json`."""
        return {kind: {str(m): str(folder) for m, folder in part.items()} for kind, part in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Mapping[str, str]]) -> "StageDirs":
        """The value that `to_json` described."""
        return cls(**{f.name: {Modality(m): Path(p) for m, p in value[f.name].items()} for f in fields(cls)})
