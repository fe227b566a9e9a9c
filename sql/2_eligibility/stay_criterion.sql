-- Every ICU stay with its observation window and one yes or no per inclusion criterion.
-- Grain:  one row per stay_id.
-- Reads:  stg_icustays, stg_admissions, stg_patients, stg_extraction_rule, stg_diagnoses_icd, stg_d_icd_diagnoses.
-- Params: $window_hours, after intime, null = the whole stay; $min_age_years.
WITH diagnosed AS (
    SELECT DISTINCT
        d.subject_id,
        d.hadm_id
    FROM stg_diagnoses_icd AS d
    CROSS JOIN stg_extraction_rule AS r
    -- a code may stand in the dictionary once per version
    INNER JOIN stg_d_icd_diagnoses AS k
        ON d.icd_code = k.icd_code AND (d.icd_version = k.icd_version OR NOT r.respects_icd_version)
),

described AS (
    SELECT
        i.subject_id,
        i.hadm_id,
        i.stay_id,
        i.intime,
        i.outtime,
        24 * i.los_days AS los_hours,
        -- anchor_age is the age in anchor_year, taken as it is by the published extraction; 90 if negative
        if(p.anchor_age < 0, 90, p.anchor_age)
        + CASE WHEN r.uses_admission_age THEN year(a.admittime) - p.anchor_year ELSE 0 END AS age_years,
        coalesce(i.first_careunit = i.last_careunit, FALSE) AS is_unit_unchanged,
        a.hadm_id IS NOT NULL AND p.subject_id IS NOT NULL AS has_admission,
        d.hadm_id IS NOT NULL AS has_diagnosis,
        coalesce(cast($window_hours AS DOUBLE), 24 * i.los_days) AS window_hours,
        $window_hours IS NULL AS is_whole_stay
    FROM stg_icustays AS i
    LEFT JOIN stg_admissions AS a ON i.subject_id = a.subject_id AND i.hadm_id = a.hadm_id
    LEFT JOIN stg_patients AS p ON i.subject_id = p.subject_id
    LEFT JOIN diagnosed AS d ON i.subject_id = d.subject_id AND i.hadm_id = d.hadm_id
    CROSS JOIN stg_extraction_rule AS r
)

SELECT
    subject_id,
    hadm_id,
    stay_id,
    intime,
    outtime,
    intime AS window_start,
    -- closed at both ends, in whole seconds; the slack is the published 1e-6 h, for los is a rounded fraction
    intime + to_seconds(cast(floor((window_hours + 1e-6) * 3600) AS BIGINT)) AS window_end,
    los_hours,
    window_hours,
    age_years,
    is_whole_stay,
    is_unit_unchanged,
    has_admission,
    -- counted after the unit changes were set aside: the other stay of such an admission is kept
    count(*) FILTER (WHERE is_unit_unchanged AND has_admission) OVER admission = 1 AS is_only_stay,
    coalesce(age_years >= $min_age_years, FALSE) AS is_adult,
    has_diagnosis,
    coalesce(los_hours >= window_hours - 1e-6, FALSE) AS is_long_enough
FROM described
WINDOW admission AS (PARTITION BY hadm_id)
