-- The corrections of the run, as yes or no; none of them = as published.
-- Grain:  one row.
-- Reads:  extraction_rule.
-- Params: $corrections, names of the rules that are on.
WITH chosen AS (
    SELECT
        rule,
        list_contains(cast($corrections AS VARCHAR[]), rule) AS is_on
    FROM extraction_rule
)

SELECT
    bool_or(is_on) FILTER (WHERE rule = 'admission_age') AS uses_admission_age,
    bool_or(is_on) FILTER (WHERE rule = 'icd_version') AS respects_icd_version,
    bool_or(is_on) FILTER (WHERE rule = 'icd10_coverage') AS covers_icd10,
    bool_or(is_on) FILTER (WHERE rule = 'recover_hadm_id') AS recovers_hadm_id,
    bool_or(is_on) FILTER (WHERE rule = 'number_from_valuenum') AS falls_back_on_valuenum,
    bool_or(is_on) FILTER (WHERE rule = 'numeric_maximum') AS uses_numeric_maximum,
    bool_or(is_on) FILTER (WHERE rule = 'plausible_limits') AS applies_limits,
    bool_or(is_on) FILTER (WHERE rule = 'value_known') AS requires_stored_values,
    bool_or(is_on) FILTER (WHERE rule = 'race_group') AS groups_race,
    bool_or(is_on) FILTER (WHERE rule = 'report_window') AS always_limits_reports,
    bool_or(is_on) FILTER (WHERE rule = 'report_known') AS requires_stored_reports,
    bool_or(is_on) FILTER (WHERE rule = 'note_time_order') AS orders_notes_by_time,
    bool_or(is_on) FILTER (WHERE rule = 'note_once') AS joins_a_note_once
FROM chosen
