-- The dictionary of diagnosis codes; a code that it lacks is not known.
-- Grain:  one row per row of the raw file: a code may stand in both ICD versions.
-- Reads:  raw_d_icd_diagnoses.
-- Params: none.
SELECT
    trim(icd_code) AS icd_code,
    icd_version
FROM raw_d_icd_diagnoses
