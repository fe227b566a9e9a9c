"""Mean and standard deviation of the numeric EHR channels: published, or fitted on train."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from medpatch.config.error import ContractError
from medpatch.config.path import SQL_DIR

NORMALIZER_SEED = SQL_DIR / "seed" / "ehr_normalizer.csv"
STD_FLOOR = 1e-7
"""A fitted deviation below it means a constant channel."""


@dataclass(frozen=True)
class Scaler:
    """(x - mean) / std for each numeric channel.

    Attributes:
        source: where the numbers come from.
        names: the 12 numeric channels, in order.
        mean: (12,) float64.
        std: (12,) float64, positive.
    """

    source: str
    names: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray

    def apply(self, value: np.ndarray) -> np.ndarray:
        """(R, 12) float64 in the channels' units -> (R, 12) float64 scaled."""
        return (value - self.mean) / self.std


def published_scaler(names: tuple[str, ...], statistics: str = "pheno", *, file: Path = NORMALIZER_SEED) -> Scaler:
    """The statistics that the published model was trained with.

    Args:
        names: the numeric channels, in order.
        statistics: "pheno" or "ihm", the file they come from.
        file: the seed.

    Raises:
        ContractError: the seed is absent or lacks a channel.

    Source: normalizer files of mimic3-benchmarks (MIMIC-III train split, unclipped); the phenotyping file
    is the published default for both tasks.
    """
    if not file.is_file():
        raise ContractError(f"{file}: the seed of the published EHR statistics is absent; restore it")
    rows = {row["variable"]: row for row in pl.read_csv(file).iter_rows(named=True)}
    missing = [name for name in names if name not in rows]
    if missing:
        raise ContractError(f"{file}: no statistics for {missing}; add a row each")
    mean, std = (
        np.array([rows[name][f"{statistics}_{kind}"] for name in names], dtype=float) for kind in ("mean", "std")
    )
    return Scaler(f"published:{statistics}", names, mean, std)


@dataclass(frozen=True)
class Moments:
    """What some bins add to the statistics of C channels.

    Attributes:
        count: bins.
        mean: (C,) float64.
        squares: (C,) float64, sums of squared differences from the mean.
    """

    count: int
    mean: np.ndarray
    squares: np.ndarray


def moments(value: np.ndarray) -> Moments:
    """Of (R, C) values."""
    if not len(value):
        return Moments(0, np.zeros(value.shape[1]), np.zeros(value.shape[1]))
    mean = value.mean(axis=0)
    return Moments(len(value), mean, ((value - mean) ** 2).sum(axis=0))


class ScalerFit:
    """Adds up train bins chunk by chunk, without the cancellation of plain sums of squares."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Start with no bin seen."""
        self.names = names
        self.count = 0
        self.mean = np.zeros(len(names))
        self.squares = np.zeros(len(names))

    def add(self, chunk: Moments) -> None:
        """Take in the imputed values of train stays.

        Source: Chan, Golub and LeVeque 1979, pairwise update of mean and sum of squared deviations.
        """
        if not chunk.count:
            return
        shift, total = chunk.mean - self.mean, self.count + chunk.count
        self.squares += chunk.squares + shift**2 * self.count * chunk.count / total
        self.mean += shift * chunk.count / total
        self.count = total

    def finish(self) -> Scaler:
        """Mean and sample deviation (N - 1); a channel constant in train is only centred.

        Raises:
            ContractError: fewer than two bins were seen.
        """
        if self.count < 2:
            raise ContractError(
                f"scaling 'train': {self.count} EHR time steps in the train split, at least 2 are needed; "
                "look at the split fractions, or use the published statistics"
            )
        std = np.sqrt(self.squares / (self.count - 1))
        return Scaler("train", self.names, self.mean.copy(), np.where(std < STD_FLOOR, 1.0, std))


def save_scaler(scaler: Scaler, file: Path) -> None:
    """Write the statistics as JSON."""
    content = {
        "source": scaler.source,
        "names": list(scaler.names),
        "mean": scaler.mean.tolist(),
        "std": scaler.std.tolist(),
    }
    file.write_text(json.dumps(content, indent=1))


def load_scaler(file: Path) -> Scaler:
    """Read what `save_scaler` wrote.

    Raises:
        ContractError: the file is absent or of another shape.
    """
    try:
        content = json.loads(file.read_text())
        return Scaler(content["source"], tuple(content["names"]), np.array(content["mean"]), np.array(content["std"]))
    except (OSError, ValueError, KeyError) as error:
        raise ContractError(f"{file}: not a readable scaler; run align again") from error
