"""What a study consists of: one cell per task, cohort, training and variant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PRESETS = {"mortality": "tiny_in_hospital_mortality", "conditions": "tiny_phenotyping"}
MAIN = "all models"
ABLATIONS: Mapping[str, Mapping[str, object]] = {
    "as published": {
        "model.fusion.score": "confidence",
        "model.fusion.high_share": None,
        "model.fusion.threshold": 0.75,
        "model.fusion.compat": "published",
        "train.loss_weighting": "published",
    },
    "learned loss weights": {"train.loss_weighting": "learned"},
    "fine-tuned encoders": {"train.fine_tune": True},
}
"""Fields that differ from the preset, where all stages or the encoders change; `bench/partition.py` has the others."""


@dataclass(frozen=True)
class Cell:
    """One training of one set of models.

    Attributes:
        task: key of PRESETS.
        data: seed of the made-up tree.
        train: seed of the training.
        variant: MAIN or key of ABLATIONS.
        rivals: of MAIN.
        rates: part of the model and its learning rate; the others have the preset's.
        changed: other fields, name and value.
    """

    task: str
    data: int
    train: int
    variant: str
    rivals: str = "all"
    rates: tuple[tuple[str, float], ...] = ()
    changed: tuple[tuple[str, object], ...] = ()

    @property
    def stem(self) -> str:
        """Name of its file."""
        return f"{self.task}-data{self.data}-train{self.train}-{self.variant.replace(' ', '_')}"

    @property
    def models(self) -> str:
        """What `--models` is given."""
        return self.rivals if self.variant == MAIN else "late"

    @property
    def overrides(self) -> dict[str, object]:
        """What `--set` is given; the report's own intervals are not read, so few resamples do."""
        rates = {f"train.rate.{part}": rate for part, rate in self.rates}
        return {
            "train.seed": self.train,
            "evaluate.bootstrap_resamples": 20,
            **rates,
            **ABLATIONS.get(self.variant, {}),
            **dict(self.changed),
        }


def cells(
    data: list[int], train: list[int], *, variants: list[str], tasks: list[str], rivals: str, rates: Mapping[str, dict]
) -> Iterator[Cell]:
    """In an order that makes partial results useful: all data with the first training seed, then its ablations."""
    for number in train:
        for variant in variants:
            for seed in data:
                for task in tasks:
                    yield Cell(task, seed, number, variant, rivals, tuple(rates.get(task, {}).items()))
