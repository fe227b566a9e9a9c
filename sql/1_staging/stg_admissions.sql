-- Hospital admissions: their times and the patient's race as recorded there.
-- Grain:  one row per hadm_id.
-- Reads:  raw_admissions.
-- Params: none.
SELECT
    subject_id,
    hadm_id,
    admittime,
    dischtime,
    deathtime,
    race
FROM raw_admissions
