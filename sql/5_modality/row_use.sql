-- How many rows of each raw table are left after each rule of the cohort and of the channels.
-- Grain:  one row per source and place.
-- Reads:  stay, stg_diagnoses_icd, phenotype_code, ehr_measurement, stg_cxr_metadata, stg_radiology, stg_discharge.
-- Params: none.
WITH reason (place, rule, drop_reason) AS (
    VALUES
    (3, 'mapped item of a cohort patient', NULL),
    (4, 'not: admission unknown', 'admission unknown'),
    (5, 'not: admission outside the cohort', 'admission outside the cohort'),
    (6, 'not: other stay of the admission', 'other stay of the admission'),
    (7, 'not: value missing', 'value missing'),
    (8, 'not: time missing', 'time missing'),
    (9, 'not: value not readable', 'value not readable'),
    (10, 'not: value not plausible', 'value not plausible'),
    (11, 'not: stored after the window', 'stored after the window')
),

-- a measurement without a reason to drop it passes every place
judged AS (
    SELECT
        e.source,
        coalesce(k.place, 99) AS lost_at_place,
        count(*) AS measurements
    FROM ehr_measurement AS e
    LEFT JOIN reason AS k ON e.drop_reason = k.drop_reason
    GROUP BY e.source, coalesce(k.place, 99)
),

patient AS (
    SELECT DISTINCT subject_id
    FROM stay
),

used (source, place, rule, rows_kept) AS (
    VALUES
    ('patients', 3, 'of a cohort patient', (SELECT count(*) FROM patient)),
    ('admissions', 3, 'of a cohort stay', (SELECT count(*) FROM stay)),
    ('icustays', 3, 'cohort stay', (SELECT count(*) FROM stay)),
    ('diagnoses_icd', 3, 'of a cohort stay', (
        SELECT count(*) FROM stg_diagnoses_icd
        WHERE (subject_id, hadm_id) IN (SELECT (s.subject_id, s.hadm_id) FROM stay AS s)
    )),
    ('d_icd_diagnoses', 3, 'code of a phenotype', (
        SELECT count(DISTINCT concat(icd_version, '-', icd_code)) FROM phenotype_code
    )),
    ('cxr_metadata', 3, 'of a cohort patient', (
        SELECT count(*) FROM stg_cxr_metadata
        WHERE subject_id IN (SELECT p.subject_id FROM patient AS p)
    )),
    ('radiology', 3, 'of a cohort patient', (
        SELECT count(*) FROM stg_radiology
        WHERE subject_id IN (SELECT p.subject_id FROM patient AS p)
    )),
    ('discharge', 3, 'of a cohort patient', (
        SELECT count(*) FROM stg_discharge
        WHERE subject_id IN (SELECT p.subject_id FROM patient AS p)
    ))
)

SELECT
    j.source,
    k.place,
    k.rule,
    coalesce(sum(j.measurements) FILTER (WHERE j.lost_at_place > k.place), 0) AS rows_kept
FROM reason AS k
-- every rule with every source
INNER JOIN judged AS j ON TRUE
GROUP BY j.source, k.place, k.rule
UNION ALL
SELECT
    source,
    place,
    rule,
    rows_kept
FROM used
