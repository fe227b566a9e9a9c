-- Where else a measurement may be used: the other stays of the subject, and when they see its values.
-- Grain:  one row per own_stay_id and stay_id.
-- Reads:  stay, stg_extraction_rule.
-- Params: none.
SELECT
    a.stay_id AS own_stay_id,
    b.stay_id,
    greatest(b.intime, b.window_start) AS seen_from,
    least(b.outtime, b.window_end) AS seen_to,
    -- null: whenever a value was stored, it counts
    CASE WHEN r.requires_stored_values THEN b.window_end END AS known_by
FROM stay AS a
INNER JOIN stay AS b ON a.subject_id = b.subject_id AND a.stay_id != b.stay_id
CROSS JOIN stg_extraction_rule AS r
