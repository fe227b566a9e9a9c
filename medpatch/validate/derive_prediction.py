"""The prediction table to one row per model, split and label: counts of rows that break a rule."""

import polars as pl

LOGIT_SLACK = 1e-3
"""Largest difference between a probability and the sigmoid of its logit that rounding explains."""
GROUP = ("model", "split", "label_name")


def prediction_frame(prediction: pl.LazyFrame) -> pl.DataFrame:
    """One row per model, split and label name of the prediction table.

    Args:
        prediction: as contract/prediction.py PREDICTION_SCHEMA.

    Returns:
        model, split, label_name, rows, labels_of_model (label names of that model and split),
        mean_gap (mean probability minus prevalence), and counts of what should be none: rows_duplicate,
        rows_without_probability, rows_outside_unit, rows_without_logit, rows_logit_disagrees,
        rows_label_not_binary, rows_label_differs (from another model's row of that stay and label),
        stays_missing (stays another model of the split has), subjects_in_two_splits.
    """
    label, probability, logit = pl.col("label"), pl.col("probability"), pl.col("logit")
    is_available = pl.col("is_available").fill_null(False)
    sigmoid = 1 / (1 + (-logit).exp())
    has_probability = probability.is_not_null() & probability.is_not_nan()
    has_logit = logit.is_not_null() & logit.is_finite()
    counts = {
        "rows_without_probability": ~has_probability,
        "rows_outside_unit": has_probability & ((probability < 0) | (probability > 1)),
        "rows_without_logit": is_available & ~has_logit,
        "rows_logit_disagrees": is_available
        & has_logit
        & probability.is_between(0, 1)
        & ((sigmoid - probability).abs() > LOGIT_SLACK),
        "rows_label_not_binary": label.is_null() | ~label.is_in([0, 1]),
        "rows_label_differs": label.is_not_null() & (pl.col("labels_seen") > 1),
    }
    seen = prediction.group_by("split", "stay_id", "label_name").agg(label.drop_nulls().n_unique().alias("labels_seen"))
    summed = (
        prediction.join(seen, on=["split", "stay_id", "label_name"], how="left", nulls_equal=True)
        .group_by(GROUP)
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("stay_id").n_unique().cast(pl.Int64).alias("stays"),
            (pl.len() - pl.col("stay_id").n_unique()).cast(pl.Int64).alias("rows_duplicate"),
            (probability.mean() - label.mean()).alias("mean_gap"),
            *(rule.sum().cast(pl.Int64).alias(name) for name, rule in counts.items()),
        )
    )
    of_split = prediction.group_by("split").agg(pl.col("stay_id").n_unique().cast(pl.Int64).alias("split_stays"))
    subjects = prediction.group_by("subject_id").agg(pl.col("split").n_unique().alias("splits"))
    shared = subjects.select((pl.col("splits") > 1).sum().cast(pl.Int64).alias("subjects_in_two_splits"))
    return (
        summed.join(of_split, on="split", how="left", nulls_equal=True)
        .join(shared, how="cross")
        .with_columns(
            (pl.col("split_stays") - pl.col("stays")).alias("stays_missing"),
            pl.col("label_name").n_unique().over("model", "split").cast(pl.Int64).alias("labels_of_model"),
        )
        .drop("split_stays")
        .sort(GROUP)
        .collect()
    )
