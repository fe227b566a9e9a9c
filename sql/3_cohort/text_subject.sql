-- Subjects with a text answer among the rows that count for the cohort, in any selected item.
-- Grain:  one row per subject_id.
-- Reads:  stg_chartevents, stg_labevents, stay_criterion.
-- Params: none.
WITH answer AS (
    SELECT DISTINCT
        subject_id,
        hadm_id,
        stay_id
    FROM stg_chartevents
    -- the same test as in staging
    WHERE
        itemid IS NULL
        OR (value IS NOT NULL AND coalesce(isnan(try_cast(replace(value, '_', 'x') AS DOUBLE)), TRUE))
    UNION
    SELECT DISTINCT
        subject_id,
        hadm_id,
        NULL AS stay_id
    FROM stg_labevents
    WHERE
        itemid IS NULL
        OR (value IS NOT NULL AND coalesce(isnan(try_cast(replace(value, '_', 'x') AS DOUBLE)), TRUE))
)

SELECT DISTINCT a.subject_id
FROM answer AS a
INNER JOIN stay_criterion AS s
    ON
        a.subject_id = s.subject_id
        AND a.hadm_id = s.hadm_id
        AND coalesce(a.stay_id, s.stay_id) = s.stay_id
WHERE s.is_unit_unchanged AND s.has_admission AND s.is_only_stay AND s.is_adult
