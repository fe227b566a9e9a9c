"""One bad row per expectation: measurements, images, notes."""

from datetime import timedelta

import polars as pl

from .plant import Case, add, again, cases, everywhere, keep, put
from .world import CORRECTED_PHENOTYPING, INTIME

HOUR = timedelta(hours=1)
FEW_CHANNELS = ["Heart Rate", "Weight", "Height", "Glucose", "pH"]

EVENT: list[Case] = cases(
    "ehr_event",
    {
        "most_channels_are_measured": keep("ehr_event", pl.col("variable").is_in(FEW_CHANNELS)),
        "variable_is_given": put("ehr_event", variable=None),
        "variable_is_a_channel": put("ehr_event", variable="Lactate"),
        "event_belongs_to_the_cohort": put("ehr_event", stay_id=999),
        "event_has_a_time": put("ehr_event", hours_after_intime=None),
        "no_event_before_the_stay": put("ehr_event", hours_after_intime=-0.1),
        "no_event_after_the_window": put("ehr_event", 16, hours_after_intime=48.1),
        "value_fits_the_channel": put("ehr_event", 1, value_text="both"),
        "answer_is_known": put("ehr_event", value_text="huh"),
        "values_are_plausible": put("ehr_event", 1, value=1000.0),
        "value_is_finite": put("ehr_event", 1, value=float("inf")),
        "one_value_per_time": again("ehr_event"),
        "hours_do_not_run_backwards": put("ehr_event", 5, hours_after_intime=0.5),
    },
)

CXR: list[Case] = cases(
    "cxr_study",
    {
        "stay_id_is_unique": again("cxr_study"),
        "stay_is_in_cohort": put("cxr_study", stay_id=999),
        "image_is_of_this_patient": put("cxr_study", subject_id=101),
        "dicom_id_is_given": put("cxr_study", dicom_id=None),
        "image_path_is_given": put("cxr_study", image_path=None),
        "image_path_is_relative": put("cxr_study", image_path="/elsewhere/a.jpg"),
        "view_is_as_configured": put("cxr_study", view_position="LATERAL"),
        "view_position_is_given": put("cxr_study", view_position=None),
        "hours_after_intime_is_given": put("cxr_study", hours_after_intime=None),
        "no_image_before_the_stay": put(
            "cxr_study", hours_after_intime=-1.0, studytime=lambda r: r["studytime"] - 7 * HOUR
        ),
        "no_image_after_the_window": put(
            "cxr_study", hours_after_intime=49.0, studytime=lambda r: r["studytime"] + 43 * HOUR
        ),
        "clock_agrees": put("cxr_study", studytime=lambda r: r["studytime"] + HOUR),
        "reason_is_given": put("cxr_study", reason=None),
    },
)

SAME_ROW = {
    "note_id": "300-RR-0",
    "charttime": INTIME + 2 * HOUR,
    "storetime": INTIME + 3 * HOUR,
    "hours_after_intime": 2.0,
}
"""What the first report says, for the second one to say again; they share their text."""

REPORT: list[Case] = cases(
    "note",
    {
        "stay_is_in_cohort": put("radiology_report", 0, 1, stay_id=999),
        "note_id_is_given": put("radiology_report", note_id=None),
        "note_is_used_once": put("radiology_report", 1, **SAME_ROW),
        "note_id_names_one_text": put("radiology_report", 1, note_id="300-RR-0"),
        "note_order_is_unique": put("radiology_report", 1, note_order=0),
        "note_order_starts_at_zero": put("radiology_report", note_order=-1),
        "note_order_has_no_gap": put("radiology_report", 1, note_order=2),
        "text_is_not_empty": put("radiology_report", text=""),
        "charttime_is_given": put("radiology_report", charttime=None),
        "note_is_inside_the_window": put(
            "radiology_report",
            hours_after_intime=49.0,
            charttime=lambda r: r["charttime"] + 47 * HOUR,
            storetime=lambda r: r["storetime"] + 47 * HOUR,
        ),
        "hours_after_intime_is_given": put("radiology_report", hours_after_intime=None),
        "clock_agrees": put("radiology_report", charttime=lambda r: r["charttime"] + HOUR / 2),
        "stored_after_it_was_charted": everywhere("radiology_report", storetime=pl.col("charttime") - HOUR),
        "reason_is_given": put("radiology_report", reason=None),
    },
    table="radiology_report",
)

LATE_REPORT: list[Case] = cases(
    "note",
    {
        "no_note_after_the_window": put(
            "radiology_report",
            hours_after_intime=1001.0,
            charttime=INTIME + 1001 * HOUR,
            storetime=None,
        ),
        "note_was_stored_by_the_end_of_the_window": put("radiology_report", storetime=INTIME + 1001 * HOUR),
    },
    table="radiology_report",
    config=CORRECTED_PHENOTYPING,
)

DISCHARGE: list[Case] = cases(
    "note",
    {
        "no_note_that_tells_the_outcome": add(
            "discharge_note",
            stay_id=300,
            note_id="300-DN-0",
            note_order=0,
            charttime=INTIME + HOUR,
            storetime=INTIME + HOUR,
            hours_after_intime=1.0,
            text="went home",
            reason="last of the admission",
        )
    },
    table="discharge_note",
)

CASES = EVENT + CXR + REPORT + LATE_REPORT + DISCHARGE
