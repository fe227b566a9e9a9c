-- The cohort: stays of adults in one unit, the only such stay of their admission.
-- Grain:  one row per stay_id.
-- Reads:  stay_criterion, stg_icustays, stg_admissions, stg_patients, stg_extraction_rule, race_group.
-- Params: none.
SELECT
    c.subject_id,
    c.hadm_id,
    c.stay_id,
    c.intime,
    c.outtime,
    c.window_start,
    c.window_end,
    a.admittime,
    a.dischtime,
    c.los_hours,
    c.window_hours,
    c.age_years,
    p.gender,
    CASE
        WHEN NOT r.groups_race THEN a.race
        WHEN a.race IS NULL THEN 'UNKNOWN'
        ELSE coalesce(g.race_group, 'OTHER')
    END AS race,
    -- dod is a date, hence its midnight: it also catches a dischtime written as the midnight of that day
    coalesce(p.dod BETWEEN a.admittime AND a.dischtime, FALSE)
    OR coalesce(a.deathtime BETWEEN a.admittime AND a.dischtime, FALSE) AS in_hospital_mortality,
    i.first_careunit,
    c.is_whole_stay
FROM stay_criterion AS c
INNER JOIN stg_icustays AS i ON c.stay_id = i.stay_id
INNER JOIN stg_admissions AS a ON c.subject_id = a.subject_id AND c.hadm_id = a.hadm_id
INNER JOIN stg_patients AS p ON c.subject_id = p.subject_id
CROSS JOIN stg_extraction_rule AS r
-- prefixes of the seed exclude each other: at most one row
LEFT JOIN race_group AS g ON starts_with(a.race, g.race_prefix)
WHERE
    c.is_unit_unchanged
    AND c.has_admission
    AND c.is_only_stay
    AND c.is_adult
ORDER BY c.stay_id
