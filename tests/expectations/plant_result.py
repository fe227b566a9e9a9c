"""One bad row per expectation: tensors on disk and predictions."""

import polars as pl

from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig

from .plant import Case, Plant, again, both, cases, everywhere, keep, put
from .world import MORTALITY, PHENOTYPING, SHARDS

LAST_OF_TRAIN = 23
WITHOUT_EHR = 39
NOTHING = pl.lit(False)


def without(modality: Modality) -> PipelineConfig:
    """The mortality configuration, one modality not asked for."""
    kept = tuple(m for m in MORTALITY.modality.modalities if m is not modality)
    chosen = MORTALITY.modality.model_copy(update={"modalities": kept})
    return MORTALITY.model_copy(update={"modality": chosen})


def spoil(*rows: int, **values: object) -> Plant:
    """Other values in some rows of the manifest."""
    return put("manifest", *rows, **values)


TENSOR: list[Case] = cases(
    "stay_tensor",
    {
        "there_are_stays": keep("manifest", NOTHING),
        "stay_id_is_given": spoil(stay_id=None),
        "stay_id_is_unique": spoil(1, stay_id=300),
        "subject_id_is_given": spoil(subject_id=None),
        "split_is_given": spoil(split=None),
        "split_is_known": spoil(LAST_OF_TRAIN, split="holdout", shard="holdout-00000.parquet", row=0),
        "subject_is_in_one_split": spoil(subject_id=124),
        "every_split_has_stays": keep("manifest", pl.col("split") != "val"),
        "shard_row_is_unique": spoil(1, row=0),
        "row_is_a_position": spoil(row=-1),
        "row_is_inside_its_shard": spoil(row=24),
        "shard_holds_one_split": spoil(LAST_OF_TRAIN, shard=SHARDS[2], row=10),
        "shard_is_on_disk": spoil(LAST_OF_TRAIN, shard="train-00001.parquet", row=0),
        "every_label_is_there": spoil(label_count=2),
        "label_sum_is_given": spoil(label_sum=None),
        "labels_are_zero_or_one": spoil(label_sum=2),
        "label_sum_is_a_count": spoil(label_sum=-1),
        "window_length_is_as_configured": spoil(window_hours=72.0, ehr_steps=72),
        "window_hours_is_given": spoil(window_hours=None),
        "presence_is_known": spoil(has_cxr=None),
        "dn_only_if_asked_for": spoil(has_dn=True, dn_tokens=50),
        "ehr_steps_cover_the_window": spoil(ehr_steps=47),
        "no_steps_without_ehr": spoil(WITHOUT_EHR, ehr_steps=48),
        "ehr_min_is_given": spoil(ehr_min=None),
        "ehr_max_is_given": spoil(ehr_max=None),
        "no_ehr_statistics_without_ehr": spoil(WITHOUT_EHR, ehr_max=1.0),
        "ehr_min_is_finite": spoil(ehr_min=float("-inf")),
        "ehr_max_is_finite": spoil(ehr_max=float("inf")),
        "ehr_min_is_moderate": spoil(ehr_min=-101.0),
        "ehr_max_is_moderate": spoil(ehr_max=101.0),
        "ehr_observed_share_is_given": spoil(ehr_observed_share=None),
        "something_was_observed": spoil(ehr_observed_share=0.0),
        "ehr_one_hot_sum_min_is_given": spoil(ehr_one_hot_sum_min=None),
        "ehr_one_hot_sum_max_is_given": spoil(ehr_one_hot_sum_max=None),
        "every_category_is_lit": spoil(ehr_one_hot_sum_min=4.0),
        "no_category_is_lit_twice": spoil(ehr_one_hot_sum_max=6.0),
        "image_size_is_as_configured": spoil(1, cxr_size_px=32),
        "no_pixels_without_image": spoil(cxr_size_px=64),
        "cxr_mean_is_given": spoil(1, cxr_mean=None),
        "no_image_statistics_without_image": spoil(cxr_mean=100.0),
        "image_is_in_grey_range": spoil(1, cxr_mean=256.0),
        "image_is_not_blank": spoil(1, cxr_mean=1.0),
        "rr_has_words": spoil(1, rr_tokens=0),
        "no_tokens_without_rr": spoil(rr_tokens=50),
        "no_tokens_without_dn": spoil(dn_tokens=50),
        "stay_has_some_modality": spoil(
            WITHOUT_EHR, has_cxr=False, cxr_size_px=0, cxr_mean=None, has_rr=False, rr_tokens=0
        ),
    },
)
TENSOR += [
    *cases("stay_tensor", {"ehr_only_if_asked_for": both()}, config=without(Modality.EHR)),
    *cases("stay_tensor", {"cxr_only_if_asked_for": both()}, config=without(Modality.CXR)),
    *cases("stay_tensor", {"rr_only_if_asked_for": both()}, config=without(Modality.RR)),
    *cases(
        "stay_tensor",
        {"dn_has_words": both(everywhere("manifest", label_count=pl.lit(25)), spoil(has_dn=True, dn_tokens=0))},
        config=PHENOTYPING,
    ),
]

IS_FIRST_STAY = pl.col("stay_id") == 324
PREDICTION: list[Case] = cases(
    "prediction",
    {
        "there_are_predictions": keep("prediction", NOTHING),
        "model_is_given": everywhere("prediction", model=pl.col("model").replace("medpatch", None)),
        "split_is_held_out": everywhere("prediction", split=pl.col("split").replace("val", "train")),
        "split_is_given": everywhere("prediction", split=pl.col("split").replace("val", None)),
        "label_name_is_known": everywhere("prediction", label_name=pl.lit("Gout")),
        "one_prediction_per_stay": again("prediction"),
        "every_model_saw_every_stay": keep("prediction", ~(IS_FIRST_STAY & (pl.col("model") == "unimodal_ehr"))),
        "probability_is_given": put("prediction", probability=None),
        "probability_is_in_the_unit_interval": put("prediction", probability=1.01),
        "logit_is_finite": put("prediction", logit=float("nan")),
        "probability_agrees_with_logit": put("prediction", logit=lambda r: r["logit"] + 1),
        "label_is_zero_or_one": everywhere("prediction", label=pl.when(IS_FIRST_STAY).then(2).otherwise("label")),
        "models_agree_on_the_label": put("prediction", 15, label=lambda r: 1 - r["label"]),
        "subject_is_in_one_split": everywhere(
            "prediction", subject_id=pl.when(IS_FIRST_STAY).then(139).otherwise("subject_id")
        ),
        "mean_probability_is_near_prevalence": everywhere(
            "prediction", probability=1 / (1 + pl.lit(-5.0).exp()), logit=pl.lit(5.0)
        ),
    },
)
PREDICTION += cases(
    "prediction",
    {"every_label_is_predicted": everywhere("prediction", label_name=pl.lit("Shock"))},
    config=PHENOTYPING,
)
CASES = TENSOR + PREDICTION
