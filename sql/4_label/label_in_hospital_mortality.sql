-- Whether the patient died before leaving the hospital.
-- Grain:  one row per stay_id.
-- Reads:  stay.
-- Params: none.
SELECT
    stay_id,
    cast(in_hospital_mortality AS TINYINT) AS label
FROM stay
ORDER BY stay_id
