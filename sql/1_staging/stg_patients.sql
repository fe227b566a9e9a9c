-- Patients: sex, age in the anchor year, date of death.
-- Grain:  one row per subject_id.
-- Reads:  raw_patients.
-- Params: none.
SELECT
    subject_id,
    gender,
    anchor_age,
    anchor_year,
    dod
FROM raw_patients
