"""Events to a grid of time bins: last value per bin, imputation, observed mask."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from medpatch.align.channel import ChannelLayout
from medpatch.align.scaler import Scaler
from medpatch.config.error import ContractError
from medpatch.contract.tensor import EHR_CHANNELS, EHR_VALUE_COLUMNS

EPSILON_HOURS = 1e-6
"""Slack of every comparison with an hour, as published."""


@dataclass(frozen=True)
class EhrGrid:
    """The bins of n stays, one below the other; R rows in all.

    Attributes:
        offset: (n + 1,) int64, rows of stay i are offset[i]:offset[i + 1]; none if it has no event.
        value: (R, 17) float64, imputed and not scaled; answer codes in categorical channels.
        observed: (R, 17) bool, True where the bin holds a measurement.
    """

    offset: np.ndarray
    value: np.ndarray
    observed: np.ndarray


def step_count(end_hours: np.ndarray, timestep_hours: float) -> np.ndarray:
    """(n,) int64: bins that windows of these lengths need, at least one.

    Source: mimic3-benchmarks Discretizer: trunc(end / timestep + 1 - 1e-6).
    """
    return np.maximum(np.trunc(end_hours / timestep_hours + 1 - EPSILON_HOURS), 1).astype(np.int64)


def encode_events(events: pl.DataFrame, layout: ChannelLayout) -> pl.DataFrame:
    """Columns stay_id, hours_after_intime, channel (0 to 16) and value (a number, or the answer code).

    Raises:
        ContractError: an unknown variable, a text outside the seed, or a missing number; says how many.
    """
    texts = pl.Enum(layout.answers)
    numbered = events.select(
        "stay_id",
        "hours_after_intime",
        "variable",
        pl.col("variable").cast(pl.Enum(list(layout.index)), strict=False).to_physical().alias("channel"),
        pl.col("value_text").cast(texts, strict=False).to_physical().fill_null(len(layout.answers)).alias("text"),
        pl.col("value").cast(pl.Float64),
    )
    is_known = numbered["channel"].is_not_null().to_numpy()
    channel = numbered["channel"].fill_null(0).to_numpy().astype(np.int64)
    value = numbered["value"].fill_null(np.nan).to_numpy(writable=True)
    is_text = layout.is_categorical[channel]
    value[is_text] = layout.answer_code[channel[is_text], numbered["text"].to_numpy()[is_text]]
    coded = numbered.with_columns(pl.Series("channel", channel), pl.Series("value", value))
    is_time = coded["hours_after_intime"].is_finite().fill_null(value=False).to_numpy()
    wrong = coded.filter(~(is_known & is_time & np.isfinite(value)))
    if not wrong.is_empty():
        names = wrong.group_by("variable").len().sort("variable").rows()
        raise ContractError(
            "ehr_event: values that have no tensor column ("
            + "; ".join(f"{name}: {count} rows" for name, count in names)
            + "): an unknown variable, a text that is not spelled as in sql/seed/ehr_variable.csv, or a "
            "number or time that is missing; look at sql/5_modality/ehr_event.sql"
        )
    return coded.select("stay_id", "hours_after_intime", "channel", "value")


def bin_events(
    events: pl.DataFrame,
    stay_id: np.ndarray,
    *,
    end_hours: np.ndarray,
    layout: ChannelLayout,
    timestep_hours: float,
) -> EhrGrid:
    """Bin the encoded events of some stays.

    Bin k holds (k, k + 1] timesteps, bin 0 also hour 0; the latest measurement of a bin counts. A channel
    that a bin lacks takes the last earlier bin's value, or its normal value.

    Args:
        events: what `encode_events` gives, of these stays only.
        stay_id: (n,) int64, ascending.
        end_hours: (n,) length of each window.
        layout: the channels.
        timestep_hours: width of a bin.

    Source: mimic3-benchmarks Discretizer, impute_strategy "previous".
    """
    hours = events["hours_after_intime"].to_numpy()
    stay = np.searchsorted(stay_id, events["stay_id"].to_numpy())
    inside = np.flatnonzero((hours > -EPSILON_HOURS) & (hours < end_hours[stay] + EPSILON_HOURS))
    inside = inside[_time_order(stay[inside], hours[inside])]
    stay, hours = stay[inside], hours[inside]
    channel, value = events["channel"].to_numpy()[inside], events["value"].to_numpy()[inside]

    has_event = np.bincount(stay, minlength=len(stay_id)) > 0
    steps = np.where(has_event, step_count(end_hours, timestep_hours), 0)
    offset = np.concatenate([[0], np.cumsum(steps)])
    step = np.clip(np.trunc(hours / timestep_hours - EPSILON_HOURS).astype(np.int64), 0, steps[stay] - 1)

    latest = np.full(offset[-1] * EHR_CHANNELS, -1, dtype=np.int64)  # number of the event that fills a cell
    np.maximum.at(latest, (offset[stay] + step) * EHR_CHANNELS + channel, np.arange(len(stay)))
    latest = latest.reshape(-1, EHR_CHANNELS)  # (R, 17)
    observed = latest >= 0
    np.maximum.accumulate(latest, axis=0, out=latest)
    # events are numbered stay by stay, so a number below the stay's first one was carried over from another
    first_event = np.repeat(np.searchsorted(stay, np.arange(len(stay_id))), steps)
    is_own = latest >= first_event[:, None]
    filled = np.where(is_own, value[latest] if len(value) else 0.0, layout.normal)
    return EhrGrid(offset=offset, value=filled, observed=observed)


def value_columns(grid: EhrGrid, layout: ChannelLayout, *, scaler: Scaler) -> np.ndarray:
    """(R, 59) float32: numbers scaled, answers one-hot, in the published column order."""
    rows = np.arange(len(grid.value))
    columns = np.zeros((len(rows), EHR_VALUE_COLUMNS), dtype=np.float32)
    columns[:, layout.numeric_column] = scaler.apply(grid.value[:, layout.numeric])
    for channel, first in zip(layout.categorical, layout.one_hot_column, strict=True):
        columns[rows, first + grid.value[:, channel].astype(np.int64)] = 1.0
    return columns


def _time_order(stay: np.ndarray, hours: np.ndarray) -> np.ndarray | slice:
    later = np.diff(stay) > 0
    same = np.diff(stay) == 0
    if bool(np.all(later | (same & (np.diff(hours) >= 0)))):
        return slice(None)
    return np.lexsort((hours, stay))
