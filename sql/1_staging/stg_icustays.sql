-- ICU stays: units and times; los is a fraction of days.
-- Grain:  one row per stay_id.
-- Reads:  raw_icustays.
-- Params: none.
SELECT
    subject_id,
    hadm_id,
    stay_id,
    first_careunit,
    last_careunit,
    intime,
    outtime,
    los AS los_days
FROM raw_icustays
