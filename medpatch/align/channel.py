"""The 17 EHR channels and where each stands among the 59 value columns."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from medpatch.config.base import digest_of
from medpatch.config.error import ContractError
from medpatch.config.path import SQL_DIR
from medpatch.contract.tensor import EHR_CHANNELS, EHR_LAYOUT, EHR_VALUE_COLUMNS

CHANNEL_SEED = SQL_DIR / "seed" / "ehr_variable.csv"


@dataclass(frozen=True)
class Channel:
    """One measured quantity.

    Attributes:
        name: the variable of `ehr_event`.
        answers: the texts a categorical channel may hold, in column order; empty for a numeric one.
        normal: what stands for a stay's steps before the first measurement: a number, or the position of
            the normal answer in `answers`.
        first_column: first of its value columns.
    """

    name: str
    answers: tuple[str, ...]
    normal: float
    first_column: int

    @property
    def is_categorical(self) -> bool:
        """True if the channel is one-hot."""
        return bool(self.answers)


@dataclass(frozen=True)
class ChannelLayout:
    """The channels in order, and lookups made from them."""

    channels: tuple[Channel, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Channel name -> position among the 17."""
        return {channel.name: i for i, channel in enumerate(self.channels)}

    @cached_property
    def answers(self) -> list[str]:
        """Every text that any categorical channel may hold, once."""
        return list(dict.fromkeys(answer for c in self.channels for answer in c.answers))

    @cached_property
    def answer_code(self) -> np.ndarray:
        """(17, A + 1) float64: place of text a among the answers of channel c; NaN where it is none of them.

        The last column stands for every other text.
        """
        code = np.full((len(self.channels), len(self.answers) + 1), np.nan)
        for i, channel in enumerate(self.channels):
            for place, answer in enumerate(channel.answers):
                code[i, self.answers.index(answer)] = place
        return code

    @cached_property
    def normal(self) -> np.ndarray:
        """(17,) float64, value or answer code of an unmeasured channel."""
        return np.array([channel.normal for channel in self.channels])

    @cached_property
    def is_categorical(self) -> np.ndarray:
        """(17,) bool, True where the channel is one-hot."""
        return np.array([channel.is_categorical for channel in self.channels])

    @cached_property
    def numeric(self) -> np.ndarray:
        """(12,) positions of the numeric channels among the 17."""
        return np.flatnonzero(~self.is_categorical)

    @cached_property
    def numeric_column(self) -> np.ndarray:
        """(12,) positions of the numeric channels among the 59 value columns."""
        return np.array([c.first_column for c in self.channels if not c.is_categorical])

    @cached_property
    def categorical(self) -> np.ndarray:
        """(5,) positions of the categorical channels among the 17."""
        return np.flatnonzero(self.is_categorical)

    @cached_property
    def one_hot_column(self) -> np.ndarray:
        """(5,) first value column of each categorical channel."""
        return np.array([c.first_column for c in self.channels if c.is_categorical])

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """Names of the numeric channels, in order."""
        return tuple(c.name for c in self.channels if not c.is_categorical)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The 76 names: "channel" or "channel->answer", then "mask->channel"."""
        values = [
            name
            for c in self.channels
            for name in ([f"{c.name}->{answer}" for answer in c.answers] if c.answers else [c.name])
        ]
        return (*values, *(f"mask->{c.name}" for c in self.channels))


def read_channels(file: Path = CHANNEL_SEED) -> ChannelLayout:
    """The layout that the seed describes.

    Raises:
        ContractError: the seed is absent, or does not give the 17 channels and 59 value columns of the contract in
            its order.
    """
    if not file.is_file():
        raise ContractError(f"{file}: the seed of the EHR channels is absent; restore it")
    rows = pl.read_csv(file, infer_schema=False).sort(pl.col("channel_id").cast(pl.Int64))
    channels: list[Channel] = []
    column = 0
    for row in rows.iter_rows(named=True):
        is_categorical = row["is_categorical"].strip().lower() in ("1", "true")
        answers = tuple(row["possible_values"].split("|")) if is_categorical else ()
        try:
            normal = float(answers.index(row["normal_value"]) if answers else row["normal_value"])
        except ValueError as error:
            raise ContractError(
                f"{file}: {row['variable']}: normal_value is neither a number nor one of possible_values; "
                "spell it as there"
            ) from error
        channels.append(Channel(row["variable"], answers, normal, column))
        column += max(len(answers), 1)
    if len(channels) != EHR_CHANNELS or column != EHR_VALUE_COLUMNS:
        raise ContractError(
            f"{file}: gives {len(channels)} channels and {column} value columns, expected {EHR_CHANNELS} and "
            f"{EHR_VALUE_COLUMNS}; change contract/tensor.py with it"
        )
    layout = ChannelLayout(tuple(channels))
    found = digest_of(*layout.column_names)
    if found != EHR_LAYOUT:
        raise ContractError(
            f"{file}: the columns have other names or another order ({found}) than those of the contract "
            f"({EHR_LAYOUT}), which trained networks read; change EHR_LAYOUT in contract/tensor.py with it"
        )
    return layout
