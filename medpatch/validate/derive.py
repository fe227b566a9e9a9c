"""Mart tables to the frames that suites judge: rules across rows and tables become plain columns.

Small tables keep their rows and gain columns; large ones (events, labels) become one row per channel or
label, with counts of bad rows. Columns named `rows_*` and `stays_*` count what should be none.
"""

import polars as pl

from medpatch.config.name import Split

EDGE_HOURS = 1e-5
"""A clock difference that is rounding, not time; MIMIC's clocks tick in seconds (2.8e-4 h)."""

TWO_YEARS_HOURS = 17_520.0
"""No stay is watched for longer."""


def hours_between(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Elapsed time, hours."""
    return (end - start).dt.total_microseconds() / 3.6e9


def splits_seen() -> pl.Expr:
    """How many of train, val and test occur in the column `split`, repeated in every row."""
    return pl.sum_horizontal(*((pl.col("split") == split).any().cast(pl.Int64) for split in Split))


def stay_windows(stay: pl.LazyFrame, index: pl.LazyFrame, *, window_hours: int | None) -> pl.LazyFrame:
    """stay_id, window_hours for every cohort stay: fixed, or the length of the stay.

    Where the whole stay is watched, a sample's own window wins; other stays get their time in the unit, or
    two years where nobody wrote down when they left.
    """
    if window_hours is not None:
        return stay.select("stay_id", pl.lit(float(window_hours)).alias("window_hours"))
    own = index.select("stay_id", pl.col("window_hours").alias("sample_hours"))
    return stay.join(own, on="stay_id", how="left").select(
        "stay_id",
        pl.coalesce(
            "sample_hours",
            pl.max_horizontal("los_hours", hours_between(pl.col("intime"), pl.col("outtime"))),
            pl.lit(TWO_YEARS_HOURS),
        ).alias("window_hours"),
    )


def stay_frame(stay: pl.LazyFrame) -> pl.DataFrame:
    """`stay` plus los_difference_hours: length of stay as recorded minus outtime - intime."""
    length = hours_between(pl.col("intime"), pl.col("outtime"))
    return stay.with_columns((pl.col("los_hours") - length).alias("los_difference_hours")).collect()


def attrition_frame(attrition: pl.LazyFrame) -> pl.DataFrame:
    """`cohort_attrition` plus stays_unaccounted: left before, minus left now, minus lost here."""
    before = pl.col("stays_left").shift(1)
    unaccounted = (before - pl.col("stays_left") - pl.col("stays_lost")).abs().fill_null(0)
    return attrition.sort("step").with_columns(unaccounted.alias("stays_unaccounted")).collect()


def account_frame(account: pl.LazyFrame) -> pl.DataFrame:
    """`row_account`, in its own order, plus rows_lost and rows_unaccounted.

    rows_unaccounted is the distance between what the rule before it kept of the same source and what it saw.
    """
    before = pl.col("rows_kept").shift(1).over("source")
    return account.with_columns(
        (pl.col("rows_in") - pl.col("rows_kept")).alias("rows_lost"),
        (before - pl.col("rows_in")).abs().fill_null(0).alias("rows_unaccounted"),
    ).collect()


def split_frame(split: pl.LazyFrame, stay: pl.LazyFrame) -> pl.DataFrame:
    """One row per subject_split row or unassigned cohort subject: subject_id, split, is_val, is_test.

    A cohort subject without a split has split null.
    """
    subjects = stay.select("subject_id").unique()
    missing = subjects.join(split, on="subject_id", how="anti").with_columns(pl.lit(None, pl.String).alias("split"))
    return (
        pl.concat([split.select("subject_id", "split"), missing])
        .with_columns(
            (pl.col("split") == "val").cast(pl.Float64).alias("is_val"),
            (pl.col("split") == "test").cast(pl.Float64).alias("is_test"),
        )
        .collect()
    )


def index_frame(
    index: pl.LazyFrame, stay: pl.LazyFrame, *, split: pl.LazyFrame, counts: dict[str, pl.LazyFrame]
) -> pl.DataFrame:
    """`stay_index` plus what ties it to the other tables.

    Args:
        index: stay_index.
        stay: cohort; gives stay_subject_id (null for a stay outside the cohort).
        split: subject_split; gives subject_split.
        counts: per modality a frame (stay_id, found): rows of that table inside the sample's window.

    Returns:
        plus window_difference_hours (null for an empty window), splits_seen, splits_of_subject,
        stay_subject_id, subject_split, and per modality `<modality>_count_difference`.
    """
    span = hours_between(pl.col("window_start"), pl.col("window_end"))
    joined = index.with_columns(
        pl.when(span > 0).then((pl.col("window_hours") - span).abs()).alias("window_difference_hours"),
        splits_seen().alias("splits_seen"),
        pl.col("split").n_unique().over("subject_id").alias("splits_of_subject"),
    )
    owner = stay.select("stay_id", pl.col("subject_id").alias("stay_subject_id")).unique("stay_id")
    assigned = split.select("subject_id", pl.col("split").alias("subject_split")).unique("subject_id")
    joined = joined.join(owner, on="stay_id", how="left").join(assigned, on="subject_id", how="left")
    for modality, found in counts.items():
        column = "ehr_event_count" if modality == "ehr" else f"{modality}_count"
        difference = (pl.col(column) - pl.col("found").fill_null(0)).abs()
        joined = joined.join(found, on="stay_id", how="left").with_columns(
            difference.alias(f"{modality}_count_difference")
        )
        joined = joined.drop("found")
    return joined.collect()


def cxr_frame(cxr: pl.LazyFrame, stay: pl.LazyFrame, *, windows: pl.LazyFrame) -> pl.DataFrame:
    """`cxr_study` plus stay_subject_id, hours_to_window_end, clock_difference_hours (see `_with_clock`)."""
    left = (pl.col("window_hours") - pl.col("hours_after_intime")).alias("hours_to_window_end")
    placed = cxr.join(windows, on="stay_id", how="left").with_columns(left).drop("window_hours")
    return _with_clock(placed, stay, clock="studytime")


def note_frame(note: pl.LazyFrame, stay: pl.LazyFrame, *, windows: pl.LazyFrame) -> pl.DataFrame:
    """A note table without its text, plus what is counted of each note.

    Returns:
        plus text_length (bytes, 0 for no text), stay_notes (notes of the stay), copies (rows of the stay that are the
        same, this one included), versions (different rows of the stay with this note_id; null without one),
        hours_to_window_end, stored_hours_to_window_end (the same for storetime), clock_difference_hours.
    """
    content = pl.struct("charttime", "storetime", pl.col("text").hash())
    lean = note.with_columns(
        pl.col("text").str.len_bytes().fill_null(0).cast(pl.Int64).alias("text_length"),
        pl.len().over("stay_id").cast(pl.Int64).alias("stay_notes"),
        content.hash().alias("content"),
    ).drop("text")
    lean = lean.with_columns(
        pl.len().over("stay_id", "note_id", "content").cast(pl.Int64).alias("copies"),
        pl.when(pl.col("note_id").is_not_null())
        .then(pl.col("content").n_unique().over("stay_id", "note_id"))
        .cast(pl.Int64)
        .alias("versions"),
    ).drop("content")
    left = pl.col("window_hours") - pl.col("hours_after_intime")
    late = hours_between(pl.col("charttime"), pl.col("storetime"))
    ends = {"hours_to_window_end": left, "stored_hours_to_window_end": left - late}
    placed = lean.join(windows, on="stay_id", how="left").with_columns(**ends).drop("window_hours")
    return _with_clock(placed, stay, clock="charttime")


def label_frame(label: pl.LazyFrame, index: pl.LazyFrame) -> pl.DataFrame:
    """One row per label name, counted over the label table.

    Args:
        label: stay_id, label_name, label.
        index: the samples that need labels.

    Returns:
        label_name, rows, positives, prevalence, and rows_duplicate, rows_null, rows_not_binary,
        stays_without_label (samples that lack this label).
    """
    samples = index.select("stay_id").unique()
    of_sample = label.join(samples, on="stay_id", how="semi")
    counted = label.group_by("label_name").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        (pl.col("label") == 1).sum().cast(pl.Int64).alias("positives"),
        (pl.len() - pl.col("stay_id").n_unique()).cast(pl.Int64).alias("rows_duplicate"),
        pl.col("label").is_null().sum().cast(pl.Int64).alias("rows_null"),
        (~pl.col("label").is_in([0, 1])).sum().cast(pl.Int64).alias("rows_not_binary"),
    )
    covered = of_sample.group_by("label_name").agg(pl.col("stay_id").n_unique().alias("covered"))
    wanted = samples.select(pl.len().alias("wanted"))
    return (
        counted.join(covered, on="label_name", how="left")
        .join(wanted, how="cross")
        .with_columns(
            (pl.col("positives") / pl.col("rows")).alias("prevalence"),
            (pl.col("wanted").cast(pl.Int64) - pl.col("covered").fill_null(0)).alias("stays_without_label"),
        )
        .drop("covered", "wanted")
        .sort("label_name")
        .collect()
    )


def _with_clock(frame: pl.LazyFrame, stay: pl.LazyFrame, *, clock: str) -> pl.DataFrame:
    """Plus stay_subject_id (null outside the cohort) and clock_difference_hours: hours given minus computed."""
    owner = stay.select("stay_id", pl.col("subject_id").alias("stay_subject_id"), "intime").unique("stay_id")
    computed = hours_between(pl.col("intime"), pl.col(clock))
    return (
        frame.join(owner, on="stay_id", how="left")
        .with_columns((pl.col("hours_after_intime") - computed).abs().alias("clock_difference_hours"))
        .drop("intime")
        .collect()
    )
