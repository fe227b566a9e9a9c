-- Billed diagnoses, each with whether the code dictionary knows it, by text alone and with its ICD version.
-- Grain:  one row per row of the raw file.
-- Reads:  raw_diagnoses_icd, raw_d_icd_diagnoses.
-- Params: none.
WITH dictionary AS (
    SELECT
        trim(icd_code) AS icd_code,
        list(icd_version) AS icd_versions
    FROM raw_d_icd_diagnoses
    GROUP BY trim(icd_code)
)

SELECT
    d.subject_id,
    d.hadm_id,
    d.seq_num,
    trim(d.icd_code) AS icd_code,
    d.icd_version,
    k.icd_code IS NOT NULL AS is_known_code,
    coalesce(list_contains(k.icd_versions, d.icd_version), FALSE) AS is_known_in_version
FROM raw_diagnoses_icd AS d
LEFT JOIN dictionary AS k ON trim(d.icd_code) = k.icd_code
