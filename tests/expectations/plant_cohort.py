"""One bad row per expectation: who is in the study, where they were sorted, what is predicted."""

from datetime import timedelta

import polars as pl

from .plant import Case, add, again, both, cases, everywhere, keep, put
from .world import PHENOTYPING

NOBODY = pl.lit(False)
HOUR = timedelta(hours=1)
IS_SHOCK = pl.col("phenotype") == "Shock"

STAY: list[Case] = cases(
    "stay",
    {
        "cohort_has_stays": keep("stay", NOBODY),
        "stay_id_is_given": put("stay", stay_id=None),
        "stay_id_is_unique": again("stay", hadm_id=999),
        "subject_id_is_given": put("stay", subject_id=None),
        "hadm_id_is_given": put("stay", hadm_id=None),
        "hadm_id_is_unique": again("stay", stay_id=999),
        "intime_is_given": put("stay", intime=None),
        "patient_is_old_enough": put("stay", age_years=17),
        "age_is_humanly_possible": put("stay", age_years=121),
        "gender_is_known": put("stay", gender="X"),
        "race_is_given": put("stay", race=None),
        "first_careunit_is_given": put("stay", first_careunit=None),
        "stay_is_not_endless": put("stay", los_hours=10_001.0, outtime=lambda r: r["intime"] + 10_001 * HOUR),
        "patient_leaves_after_entering": put("stay", los_hours=-1.0, outtime=lambda r: r["intime"] - HOUR),
        "length_of_stay_agrees_with_its_times": put("stay", los_hours=61.0),
        "in_hospital_mortality_is_given": put("stay", in_hospital_mortality=None),
    },
)

ATTRITION: list[Case] = cases(
    "cohort_attrition",
    {
        "flow_chart_has_steps": keep("cohort_attrition", pl.col("step") == 0),
        "criterion_is_given": put("cohort_attrition", criterion=None),
        "step_is_unique": put("cohort_attrition", 1, step=0),
        "stays_left_is_a_count": put("cohort_attrition", 2, stays_left=-1, stays_lost=46, subjects_left=-1),
        "stays_lost_is_a_count": put("cohort_attrition", 2, stays_left=46, stays_lost=-1),
        "every_lost_stay_is_accounted_for": put("cohort_attrition", 2, stays_lost=4),
        "subjects_do_not_outnumber_stays": put("cohort_attrition", 2, subjects_left=41),
    },
)

ACCOUNT: list[Case] = cases(
    "row_account",
    {
        "there_is_an_account": keep("row_account", NOBODY),
        "source_is_given": put("row_account", 4, source=None),
        "rule_is_given": put("row_account", rule=None),
        "rule_counts_once": put("row_account", 2, rule="cohort"),
        "rows_in_is_a_count": put("row_account", rows_in=-1, rows_kept=None),
        "rows_kept_is_a_count": put("row_account", 4, rows_kept=-1),
        "rule_adds_no_rows": put("row_account", 4, rows_kept=91),
        "next_rule_starts_where_the_last_ended": put("row_account", 1, rows_in=79),
    },
)

SPLIT: list[Case] = cases(
    "subject_split",
    {
        "subject_id_is_given": again("subject_split", subject_id=None),
        "subject_id_is_unique": again("subject_split", split="test"),
        "split_is_given": keep("subject_split", pl.col("subject_id") != 100),
        "split_is_known": put("subject_split", split="holdout"),
        "val_share_is_as_configured": put("subject_split", *range(10), split="val"),
        "test_share_is_as_configured": put("subject_split", *range(15), split="test"),
    },
)

INDEX: list[Case] = cases(
    "stay_index",
    {
        "task_has_samples": keep("stay_index", NOBODY),
        "stay_id_is_unique": again("stay_index"),
        "sample_is_in_cohort": keep("stay", pl.col("stay_id") != 300),
        "subject_is_the_stays_own": put("stay", subject_id=101),
        "split_is_given": put("stay_index", split=None),
        "split_is_known": both(put("stay_index", split="holdout"), put("subject_split", split="holdout")),
        "split_is_the_subjects_own": put("stay_index", split="test"),
        "subject_is_in_one_split": both(
            keep("subject_split", pl.col("subject_id") != 100),
            put("stay", 1, subject_id=100),
            put("stay_index", 1, subject_id=100, split="val"),
        ),
        "every_split_has_samples": keep("stay_index", pl.col("split") != "val"),
        "window_does_not_end_before_it_starts": put("stay_index", window_end=lambda r: r["window_start"] - HOUR),
        "window_length_is_as_configured": put(
            "stay_index", window_hours=72.0, window_end=lambda r: r["window_start"] + 72 * HOUR
        ),
        "window_length_agrees_with_its_times": put("stay_index", window_end=lambda r: r["window_end"] + HOUR),
        "ehr_event_count_is_given": put("stay_index", ehr_event_count=None),
        "cxr_count_is_given": put("stay_index", cxr_count=None),
        "rr_count_is_given": put("stay_index", rr_count=None),
        "dn_count_is_given": put("stay_index", dn_count=None),
        "sample_has_events": both(put("stay_index", ehr_event_count=0), keep("ehr_event", pl.col("stay_id") != 300)),
        "at_most_one_image": both(put("stay_index", cxr_count=2), again("cxr_study")),
        "no_discharge_note_before_the_outcome": both(put("stay_index", dn_count=1), add("discharge_note", stay_id=300)),
        "event_count_agrees_with_events": put("stay_index", ehr_event_count=18),
        "image_count_agrees_with_images": put("stay_index", cxr_count=0),
        "report_count_agrees_with_reports": put("stay_index", rr_count=3),
        "discharge_note_count_agrees_with_notes": add("discharge_note", stay_id=300),
    },
)

LABEL: list[Case] = cases(
    "label",
    {
        "every_label_is_there": keep("label_phenotype", ~IS_SHOCK),
        "label_name_is_known": everywhere(
            "label_phenotype", phenotype=pl.when(IS_SHOCK).then(pl.lit("Gout")).otherwise("phenotype")
        ),
        "no_label_is_missing": put("label_phenotype", label=None),
        "label_is_zero_or_one": put("label_phenotype", label=2),
        "one_label_per_stay": again("label_phenotype"),
        "every_sample_has_every_label": keep("label_phenotype", ~(IS_SHOCK & (pl.col("stay_id") == 300))),
        "prevalence_is_plausible": everywhere("label_phenotype", label=pl.when(IS_SHOCK).then(1).otherwise("label")),
    },
    config=PHENOTYPING,
)

CASES = STAY + ATTRITION + ACCOUNT + SPLIT + INDEX + LABEL
