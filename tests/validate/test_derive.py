"""Derived columns, against numbers worked out by hand."""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from medpatch.config.cohort import SplitConfig
from medpatch.config.error import ConfigError
from medpatch.config.name import Modality
from medpatch.config.override import apply_overrides
from medpatch.config.preset import preset
from medpatch.validate import derive, parameter
from medpatch.validate.derive import EDGE_HOURS
from medpatch.validate.derive_event import event_frame
from medpatch.validate.derive_prediction import prediction_frame
from medpatch.validate.derive_tensor import manifest_frame
from medpatch.validate.source import read_channels

INTIME = datetime(2150, 1, 1)
STAY = pl.LazyFrame(
    {
        "stay_id": [1, 2, 3],
        "intime": [INTIME] * 3,
        "outtime": [INTIME + timedelta(hours=30), INTIME - timedelta(hours=1), None],
        "los_hours": [30.0, -1.0, None],
    },
    schema_overrides={"outtime": pl.Datetime},
)
NO_SAMPLE = pl.LazyFrame(schema={"stay_id": pl.Int64, "window_hours": pl.Float64})
CHANNELS = pl.DataFrame(
    {
        "variable": ["Heart Rate", "Eyes"],
        "is_text": [False, True],
        "answers": [None, ["Open", "None"]],
        "plausible_low": [0.0, None],
        "plausible_high": [300.0, None],
    }
)


def windows(index: pl.LazyFrame, hours: int | None) -> list[float]:
    return derive.stay_windows(STAY, index, window_hours=hours).sort("stay_id").collect()["window_hours"].to_list()


def test_a_fixed_window_holds_for_every_stay() -> None:
    assert windows(NO_SAMPLE, 48) == [48.0, 48.0, 48.0]


def test_the_whole_stay_is_watched_and_a_stay_without_end_for_two_years() -> None:
    assert windows(NO_SAMPLE, None) == [30.0, -1.0, 17_520.0]


def test_a_sample_keeps_its_own_window() -> None:
    assert windows(pl.LazyFrame({"stay_id": [1], "window_hours": [29.5]}), None) == [29.5, -1.0, 17_520.0]


def test_events_are_counted_by_what_is_wrong_with_them() -> None:
    event = pl.LazyFrame(
        {
            "stay_id": [1, 1, 1, 1, 9, 1],
            "hours_after_intime": [-0.5, 1.0, 1.0, 50.0, 2.0, None],
            "variable": ["Heart Rate"] * 6,
            "value": [80.0, 400.0, float("nan"), 70.0, 60.0, 60.0],
            "value_text": [None, None, None, "x", None, None],
        }
    )
    row = event_frame(event, pl.LazyFrame({"stay_id": [1], "window_hours": [48.0]}), channels=CHANNELS).row(
        0, named=True
    )
    assert row == {
        "variable": "Heart Rate",
        "rows": 6,
        "stays": 2,
        "implausible_share": pytest.approx(1 / 6),
        "rows_unknown_stay": 1,
        "rows_without_time": 1,
        "rows_before_window": 1,
        "rows_after_window": 1,
        "rows_wrong_kind": 1,
        "rows_unknown_answer": 0,
        "rows_not_finite": 1,
        "rows_out_of_order": 0,
        "rows_duplicate": 1,
    }


def test_the_answer_none_is_an_answer() -> None:
    event = pl.LazyFrame(
        {
            "stay_id": [1, 1],
            "hours_after_intime": [1.0, 2.0],
            "variable": ["Eyes", "Eyes"],
            "value": pl.Series([None, None], dtype=pl.Float64),
            "value_text": ["None", "none"],
        }
    )
    row = event_frame(event, pl.LazyFrame({"stay_id": [1], "window_hours": [48.0]}), channels=CHANNELS).row(
        0, named=True
    )
    assert (row["rows_unknown_answer"], row["rows_wrong_kind"]) == (1, 0)


def test_lost_stays_are_accounted_for_in_the_order_of_the_steps() -> None:
    attrition = pl.LazyFrame({"step": [2, 0, 1], "stays_left": [5, 10, 8], "stays_lost": [2, 0, 2]})
    assert derive.attrition_frame(attrition)["stays_unaccounted"].to_list() == [0, 0, 1]


def test_labels_are_counted_per_name_and_samples_without_one_are_found() -> None:
    label = pl.LazyFrame({"stay_id": [1, 2, 2, 4], "label_name": ["a"] * 4, "label": [1, 0, None, 3]})
    row = derive.label_frame(label, pl.LazyFrame({"stay_id": [1, 2, 3]})).row(0, named=True)
    assert row == {
        "label_name": "a",
        "rows": 4,
        "positives": 1,
        "rows_duplicate": 1,
        "rows_null": 1,
        "rows_not_binary": 1,
        "prevalence": 0.25,
        "stays_without_label": 1,
    }


def test_the_gap_is_mean_probability_minus_prevalence() -> None:
    prediction = pl.LazyFrame(
        {
            "model": ["m"] * 4,
            "split": ["test"] * 4,
            "subject_id": [1, 2, 3, 4],
            "stay_id": [1, 2, 3, 4],
            "label_name": ["a"] * 4,
            "label": [1, 0, 0, 0],
            "logit": [0.0] * 4,
            "probability": [0.5] * 4,
            "is_available": [True, True, True, False],
        }
    )
    row = prediction_frame(prediction).row(0, named=True)
    assert row["mean_gap"] == pytest.approx(0.25)
    assert row["stays_missing"] == 0


@pytest.mark.parametrize(
    ("hours", "steps", "difference"),
    [
        (48.0, 48, 0),
        (47.3, 48, 0),
        (47.3, 47, 1),
        (47.000001, 47, 0),
        (47.000001, 48, 0),
        (48.0, 50, 2),
        (0.0, 1, 0),
        (0.0, 2, 1),
        (-0.000001, 1, 0),
    ],
)
def test_steps_cover_the_window_rounded_up(hours: float, steps: int, difference: int, tmp_path: Path) -> None:
    manifest = pl.LazyFrame(
        {
            "subject_id": [1],
            "split": ["train"],
            "shard": ["train-00000.parquet"],
            "window_hours": [hours],
            "ehr_steps": [steps],
            "has_ehr": [True],
            "has_cxr": [False],
            "has_rr": [False],
            "has_dn": [None],
        }
    )
    row = manifest_frame(manifest, tmp_path, timestep_hours=1.0).row(0, named=True)
    assert row["steps_difference"] == difference
    assert (row["shard_split"], row["is_shard_present"]) == ("train", False)
    assert (row["presence_unknown"], row["modalities_present"]) == (1, 1)


def test_chance_widens_the_share_of_a_small_cohort() -> None:
    bounds = parameter.split_parameters(SplitConfig(val_fraction=0.1, test_fraction=0.2), subjects=100)
    assert bounds["val_share_high"] == pytest.approx(0.1 + 4 * 0.03)
    assert bounds["val_share_low"] == 0.0


@pytest.mark.parametrize("listed", [{"follows_mimic_cxr": True}, {"list_dir": "lists"}])
def test_lists_may_give_any_share(listed: dict) -> None:
    bounds = parameter.split_parameters(SplitConfig(**listed), subjects=10_000)
    assert (bounds["test_share_low"], bounds["test_share_high"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("changed", "is_limited", "is_known"),
    [
        ({}, False, False),
        ({"cohort.profile": "corrected"}, True, True),
        ({"cohort.profile": "corrected", "cohort.corrections": ["race_group"]}, False, False),
        ({"cohort.corrections": ["report_window"]}, True, False),
        ({"cohort.corrections": ["report_known"]}, False, True),
        ({"modality.text_arms": ["reports_known_by_window_end"]}, True, True),
    ],
)
def test_reports_are_judged_by_the_rules_in_force_and_not_by_the_profile(
    changed: dict, is_limited: bool, is_known: bool
) -> None:
    config = apply_overrides(preset("phenotyping"), changed)
    found = parameter.note_parameters(config, modality=Modality.RR)
    limit = {True: -EDGE_HOURS, False: -parameter.TEN_YEARS_HOURS}
    assert found["hours_to_window_end"] == limit[is_limited]
    assert found["stored_hours_to_window_end"] == limit[is_known]
    note = parameter.note_parameters(config, modality=Modality.DN)  # written at the end of a stay
    assert note["stored_hours_to_window_end"] == limit[False]


def test_a_seed_without_its_columns_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ehr_variable.csv"
    file.write_text("name,kind\nHeart Rate,number\n")
    with pytest.raises(ConfigError, match=r"ehr_variable.csv: columns \['is_categorical'"):
        read_channels(file)
