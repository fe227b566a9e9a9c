"""Bins, imputation, masks and one-hot columns of the EHR."""

import numpy as np
import polars as pl
import pytest

from align.warehouse import EYE_OPENING, HEART_RATE, Event, event_row
from medpatch.align.channel import read_channels
from medpatch.align.ehr import EhrGrid, bin_events, encode_events, step_count, value_columns
from medpatch.align.scaler import Scaler
from medpatch.config.error import ContractError
from medpatch.contract.table import TABLES

LAYOUT = read_channels()
HEART = LAYOUT.index[HEART_RATE]
EYE = LAYOUT.index[EYE_OPENING]
EVENT_TYPES = pl.from_arrow(TABLES["ehr_event"].empty_table()).schema


def grid_of(
    events: list[Event], *, stays: list[int] | None = None, hours: float = 4.0, timestep_hours: float = 1.0
) -> EhrGrid:
    stay_id = np.array([1] if stays is None else stays)
    frame = pl.DataFrame([event_row(*event) for event in events], schema=EVENT_TYPES)
    return bin_events(
        encode_events(frame, LAYOUT),
        stay_id,
        end_hours=np.full(len(stay_id), hours),
        layout=LAYOUT,
        timestep_hours=timestep_hours,
    )


def observed_heart_bins(hours: float, *, timestep_hours: float = 1.0) -> list[int]:
    grid = grid_of([(1, 1.5, "pH", 7.0), (1, hours, HEART_RATE, 70.0)], timestep_hours=timestep_hours)
    return np.flatnonzero(grid.observed[:, HEART]).tolist()


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (0.0, [0]),
        (0.5, [0]),
        (1.0, [0]),
        (1.0 + 5e-7, [0]),
        (1.0 + 2e-6, [1]),
        (2.0, [1]),
        (3.999, [3]),
        (4.0, [3]),
        (4.0 + 5e-7, [3]),
        (4.0 + 2e-6, []),
        (-5e-7, [0]),
        (-2e-6, []),
        (-1.0, []),
        (99.0, []),
    ],
)
def test_bin_k_holds_the_hours_after_k_up_to_k_plus_one(hours: float, expected: list[int]) -> None:
    assert observed_heart_bins(hours) == expected


def test_a_wider_timestep_makes_fewer_and_wider_bins() -> None:
    assert observed_heart_bins(2.0, timestep_hours=2.0) == [0]
    assert observed_heart_bins(2.1, timestep_hours=2.0) == [1]
    assert len(grid_of([(1, 1.0, HEART_RATE, 70.0)], timestep_hours=2.0).value) == 2


@pytest.mark.parametrize(
    ("hours", "steps"), [(48.0, 48), (48.5, 49), (47.9999995, 48), (48.0000005, 48), (48.1, 49), (0.3, 1)]
)
def test_a_whole_stay_needs_its_length_rounded_up_with_a_little_slack(hours: float, steps: int) -> None:
    assert step_count(np.array([hours]), 1.0).tolist() == [steps]


def test_the_latest_measurement_of_a_bin_counts_whatever_the_row_order() -> None:
    events = [(1, 0.9, HEART_RATE, 90.0), (1, 0.2, HEART_RATE, 20.0), (1, 0.5, HEART_RATE, 50.0)]
    assert grid_of(events).value[0, HEART] == 90.0


def test_a_gap_takes_the_last_earlier_bin_and_before_that_the_normal_value() -> None:
    grid = grid_of([(1, 1.5, HEART_RATE, 61.0), (1, 2.5, "pH", 7.1)])
    assert grid.value[:, HEART].tolist() == [86.0, 61.0, 61.0, 61.0]
    assert grid.observed[:, HEART].tolist() == [False, True, False, False]


def test_nothing_is_carried_over_from_the_stay_before() -> None:
    grid = grid_of([(1, 3.5, HEART_RATE, 61.0), (2, 3.5, "pH", 7.1)], stays=[1, 2])
    second = slice(grid.offset[1], grid.offset[2])
    assert grid.value[second, HEART].tolist() == [86.0] * 4
    assert not grid.observed[second, HEART].any()


def test_a_stay_without_an_event_in_its_window_has_no_bins() -> None:
    grid = grid_of([(1, 0.5, HEART_RATE, 60.0), (3, -4.0, HEART_RATE, 60.0)], stays=[1, 2, 3])
    assert grid.offset.tolist() == [0, 4, 4, 4]


def test_no_event_at_all_gives_no_bins() -> None:
    grid = grid_of([], stays=[1, 2])
    assert grid.offset.tolist() == [0, 0, 0]
    assert grid.value.shape == (0, 17)


def test_an_answer_lights_its_own_column_and_the_normal_answer_another() -> None:
    grid = grid_of([(1, 1.5, EYE_OPENING, "To Speech")])
    columns = value_columns(grid, LAYOUT, scaler=Scaler("none", LAYOUT.numeric_names, np.zeros(12), np.ones(12)))
    names = LAYOUT.column_names
    assert columns[0, names.index(f"{EYE_OPENING}->4 Spontaneously")] == 1.0
    assert columns[1:, names.index(f"{EYE_OPENING}->To Speech")].tolist() == [1.0, 1.0, 1.0]
    assert columns[1:, names.index(f"{EYE_OPENING}->4 Spontaneously")].sum() == 0.0
    one_hot = [i for i, name in enumerate(names[:59]) if "->" in name]
    assert columns[:, one_hot].sum(axis=1).tolist() == [5.0] * 4


def test_the_text_none_is_an_answer() -> None:
    grid = grid_of([(1, 0.5, EYE_OPENING, "None")])
    assert LAYOUT.channels[EYE].answers[int(grid.value[0, EYE])] == "None"
    assert grid.observed[0, EYE]


def test_an_unknown_answer_is_refused_by_variable_and_count_without_its_text() -> None:
    events = [(1, 0.5, EYE_OPENING, "to speech"), (1, 1.5, EYE_OPENING, "to speech")]
    with pytest.raises(ContractError, match=f"{EYE_OPENING}: 2 rows") as caught:
        grid_of(events)
    assert "to speech" not in str(caught.value)


@pytest.mark.parametrize(
    "event", [(1, 0.5, HEART_RATE, float("nan")), (1, 0.5, HEART_RATE, "70"), (1, 0.5, "Lactate", 2.0)]
)
def test_a_row_without_a_tensor_column_is_refused(event: Event) -> None:
    with pytest.raises(ContractError, match=f"{event[2]}: 1 rows"):
        grid_of([event])


def per_event_grid(events: list[Event], stays: list[int], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The same by the plainest loop, numeric channels only."""
    value = np.tile(LAYOUT.normal, (len(stays), steps, 1))
    observed = np.zeros((len(stays), steps, 17), dtype=bool)
    for stay_id, hours, variable, number in sorted(events, key=lambda event: event[1]):
        if 0 <= hours <= steps:
            stay, channel = stays.index(stay_id), LAYOUT.index[variable]
            step = max(int(np.ceil(hours)) - 1, 0)
            value[stay, step:, channel] = number
            observed[stay, step, channel] = True
    return value, observed


def test_many_random_events_agree_with_a_loop_over_events() -> None:
    random = np.random.default_rng(3)
    stays, names = [5, 9, 12], [HEART_RATE, "pH", "Glucose"]
    events: list[Event] = [
        (int(random.choice(stays)), float(hours), str(random.choice(names)), float(number))
        for number, hours in enumerate(random.permutation(400) / 50 - 1)
    ]
    grid = grid_of(events, stays=stays, hours=6.0)
    value, observed = per_event_grid(events, stays, steps=6)
    np.testing.assert_array_equal(grid.value, value.reshape(-1, 17))
    np.testing.assert_array_equal(grid.observed, observed.reshape(-1, 17))
