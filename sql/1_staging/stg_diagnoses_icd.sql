-- Billed diagnoses of each admission.
-- Grain:  one row per row of the raw file.
-- Reads:  raw_diagnoses_icd.
-- Params: none.
SELECT
    subject_id,
    hadm_id,
    seq_num,
    trim(icd_code) AS icd_code,
    icd_version
FROM raw_diagnoses_icd
