-- Values of the cohort's patients with the stay they count for, or the first reason why they do not count.
-- Grain:  one row per row of ehr_value whose subject is in the cohort (more where admissions overlap).
-- Reads:  ehr_value, stay, text_subject, ehr_variable, stg_extraction_rule.
-- Params: none.
WITH patient AS (
    SELECT DISTINCT subject_id
    FROM stay
),

placed AS (
    SELECT
        e.source,
        e.subject_id,
        coalesce(e.hadm_id, a.hadm_id) AS hadm_id,
        e.stay_id,
        e.charttime,
        e.storetime,
        e.variable,
        e.has_value,
        e.value,
        e.value_text,
        a.hadm_id IS NOT NULL AS is_recovered,
        e.is_irregular AND NOT r.falls_back_on_valuenum AND t.subject_id IS NOT NULL AS is_refused
    FROM ehr_value AS e
    INNER JOIN patient AS p ON e.subject_id = p.subject_id
    CROSS JOIN stg_extraction_rule AS r
    LEFT JOIN text_subject AS t ON e.subject_id = t.subject_id
    -- as many rows as admissions of the cohort contain the time: nearly always one
    LEFT JOIN stay AS a
        ON
            e.subject_id = a.subject_id
            AND e.hadm_id IS NULL
            AND r.recovers_hadm_id
            AND e.charttime BETWEEN a.admittime AND a.dischtime
)

SELECT
    e.source,
    e.subject_id,
    s.stay_id,
    e.charttime,
    e.storetime,
    e.variable,
    -- limits are null where the channel has none; least and greatest pass over null
    CASE
        WHEN r.applies_limits AND e.value IS NOT NULL
            THEN least(greatest(e.value, v.plausible_low), v.plausible_high)
        ELSE e.value
    END AS value,
    e.value_text,
    e.is_recovered,
    CASE
        WHEN e.hadm_id IS NULL THEN 'admission unknown'
        WHEN s.stay_id IS NULL THEN 'admission outside the cohort'
        -- a row without stay_id belongs to the one stay of its admission
        WHEN e.stay_id != s.stay_id THEN 'other stay of the admission'
        WHEN NOT e.has_value THEN 'value missing'
        WHEN e.charttime IS NULL THEN 'time missing'
        WHEN if(v.is_categorical, e.value_text IS NULL, e.value IS NULL OR e.is_refused)
            THEN 'value not readable'
        WHEN r.applies_limits AND (e.value < v.outlier_low OR e.value > v.outlier_high)
            THEN 'value not plausible'
        -- a result that comes in later was not known when the window ended
        WHEN r.requires_stored_values AND e.charttime <= s.window_end AND e.storetime > s.window_end
            THEN 'stored after the window'
    END AS drop_reason
FROM placed AS e
INNER JOIN ehr_variable AS v ON e.variable = v.variable
CROSS JOIN stg_extraction_rule AS r
LEFT JOIN stay AS s ON e.subject_id = s.subject_id AND e.hadm_id = s.hadm_id
