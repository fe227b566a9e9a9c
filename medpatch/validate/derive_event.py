"""The event table to one row per EHR channel: counts of rows that break a rule."""

from collections.abc import Iterator

import polars as pl

from medpatch.validate.derive import EDGE_HOURS

CHUNK_ROWS = 2_000_000
"""Events counted at once; keeps memory flat (about 0.3 GB) however long the table is."""


def event_frame(event: pl.LazyFrame, windows: pl.LazyFrame, *, channels: pl.DataFrame) -> pl.DataFrame:
    """One row per variable of `ehr_event`.

    Args:
        event: ehr_event; quick if its file is sorted by stay_id.
        windows: stay_id, window_hours of every cohort stay.
        channels: variable, is_text, answers, plausible_low, plausible_high.

    Returns:
        variable, rows, stays, implausible_share (of rows), and counts of bad rows: rows_unknown_stay,
        rows_without_time, rows_before_window, rows_after_window, rows_wrong_kind (number where text
        belongs, or both, or neither), rows_unknown_answer, rows_not_finite, rows_duplicate (same stay and
        time again), rows_out_of_order (earlier than the row before it of the same stay).
    """
    known = windows.unique("stay_id").collect()
    limits = channels.select("variable", "plausible_low", "plausible_high")
    parts = [_counted(part, known.lazy(), limits=limits.lazy()) for part in _parts(event)]
    if not parts:
        parts = [_counted(event, known.lazy(), limits=limits.lazy())]
    total = pl.concat(parts).group_by("variable").sum()
    answered = _unknown_answers(event, channels)
    is_text, rows = pl.col("is_text"), pl.col("rows")
    return (
        total.join(channels.select("variable", "is_text"), on="variable", how="left")
        .join(answered, on="variable", how="left")
        .with_columns(
            (pl.col("rows_implausible") / rows).alias("implausible_share"),
            pl.when(is_text)
            .then(rows - pl.col("rows_text_only"))
            .when(~is_text)
            .then(rows - pl.col("rows_value_only"))
            .otherwise(0)
            .alias("rows_wrong_kind"),
            pl.col("rows_unknown_answer").fill_null(0),
        )
        .drop("rows_implausible", "rows_text_only", "rows_value_only", "is_text")
        .sort("variable")
    )


def stay_counts(table: pl.LazyFrame) -> pl.LazyFrame:
    """stay_id, found: rows of each stay."""
    return table.group_by("stay_id").agg(pl.len().cast(pl.Int64).alias("found"))


def event_counts(event: pl.LazyFrame, windows: pl.LazyFrame) -> pl.LazyFrame:
    """stay_id, found: events of each stay inside its window (stay_id, window_hours)."""
    within = pl.col("hours_after_intime").is_between(-EDGE_HOURS, pl.col("window_hours") + EDGE_HOURS)
    counted = [stay_counts(part.join(windows, on="stay_id").filter(within)).collect() for part in _parts(event)]
    return pl.concat([*counted, stay_counts(event.head(0)).collect()]).lazy()


def _parts(event: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """The table by ranges of stay_id, whole stays, about CHUNK_ROWS each; rows without a stay come first."""
    stay_id = pl.col("stay_id")
    sizes = event.group_by("stay_id").agg(pl.len().alias("events")).sort("stay_id").collect()
    if sizes["stay_id"].null_count():
        yield event.filter(stay_id.is_null())
    given = sizes.drop_nulls("stay_id").with_columns((pl.col("events").cum_sum() // CHUNK_ROWS).alias("part"))
    edges = given.group_by("part").agg(stay_id.min().alias("first"), stay_id.max().alias("last")).sort("part")
    for first, last in edges.select("first", "last").rows():
        yield event.filter(stay_id.is_between(first, last))


def _counted(event: pl.LazyFrame, windows: pl.LazyFrame, *, limits: pl.LazyFrame) -> pl.DataFrame:
    hours, value, text = pl.col("hours_after_intime"), pl.col("value"), pl.col("value_text")
    is_same_stay = pl.col("stay_id") == pl.col("stay_id").shift(1)
    flagged = (
        event.with_columns((is_same_stay & (hours < hours.shift(1))).alias("is_out_of_order"))
        .join(windows, on="stay_id", how="left", maintain_order="left")
        .join(limits, on="variable", how="left", maintain_order="left")
    )
    counts = {
        "rows_unknown_stay": pl.col("window_hours").is_null(),
        "rows_without_time": hours.is_null() | hours.is_nan(),
        "rows_before_window": hours < -EDGE_HOURS,
        "rows_after_window": hours > pl.col("window_hours") + EDGE_HOURS,
        "rows_text_only": text.is_not_null() & value.is_null(),
        "rows_value_only": text.is_null() & value.is_not_null(),
        "rows_not_finite": value.is_not_null() & ~value.is_finite(),
        "rows_implausible": value.is_finite()
        & ((value < pl.col("plausible_low")) | (value > pl.col("plausible_high"))),
        "rows_out_of_order": pl.col("is_out_of_order"),
    }
    summed = flagged.group_by("variable").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col("stay_id").n_unique().cast(pl.Int64).alias("stays"),
        *(rule.sum().cast(pl.Int64).alias(name) for name, rule in counts.items()),
    )
    return summed.join(_duplicates(event), on="variable", how="left", nulls_equal=True).collect()


def _duplicates(event: pl.LazyFrame) -> pl.LazyFrame:
    """variable, rows_duplicate: rows beyond the first of each stay, time and variable."""
    keys = event.group_by("variable", "stay_id", "hours_after_intime").agg(pl.len().alias("copies"))
    return keys.group_by("variable").agg((pl.col("copies") - 1).sum().cast(pl.Int64).alias("rows_duplicate"))


def _unknown_answers(event: pl.LazyFrame, channels: pl.DataFrame) -> pl.DataFrame:
    """variable, rows_unknown_answer: texts of categorical channels that the seed does not list."""
    answers = channels.filter("is_text").explode("answers")
    listed = answers.select("variable", pl.col("answers").alias("value_text"))
    given = event.filter(pl.col("value_text").is_not_null()).group_by("variable", "value_text").agg(pl.len())
    return (
        given.join(listed.lazy(), on=["variable", "value_text"], how="anti")
        .join(channels.lazy().filter("is_text").select("variable"), on="variable", how="semi")
        .group_by("variable")
        .agg(pl.col("len").sum().cast(pl.Int64).alias("rows_unknown_answer"))
        .collect()
    )
