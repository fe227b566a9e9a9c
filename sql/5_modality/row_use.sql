-- How many rows of each raw table are left after the rules of the cohort.
-- Grain:  one row per source and place.
-- Reads:  stay, stg_diagnoses_icd, phenotype_code, stg_cxr_metadata, stg_radiology, stg_discharge.
-- Params: none.
WITH patient AS (
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
    source,
    place,
    rule,
    rows_kept
FROM used
