-- The discharge summary of the stay's admission; written after the stay, whatever the window.
-- Grain:  one row per stay_id.
-- Reads:  stay, stg_discharge, stg_extraction_rule.
-- Params: $uses_dn, false = no row.
WITH note AS (
    SELECT
        s.stay_id,
        n.note_id,
        n.charttime,
        n.storetime,
        date_diff('second', s.intime, n.charttime) / 3600.0 AS hours_after_intime,
        n.text,
        row_number() OVER latest AS place,
        count(*) OVER (PARTITION BY s.stay_id) AS candidates
    FROM stay AS s
    INNER JOIN stg_discharge AS n ON s.subject_id = n.subject_id AND s.hadm_id = n.hadm_id
    CROSS JOIN stg_extraction_rule AS r
    WHERE $uses_dn AND n.text IS NOT NULL
    WINDOW latest AS (
        PARTITION BY s.stay_id
        -- published: the last one of the file; charttime is a date, so storetime decides within a day
        ORDER BY
            CASE WHEN r.orders_notes_by_time THEN n.charttime END DESC NULLS LAST,
            CASE WHEN r.orders_notes_by_time THEN n.storetime END DESC NULLS LAST,
            n.file_order DESC
    )
)

SELECT
    stay_id,
    note_id,
    cast(0 AS BIGINT) AS note_order,
    charttime,
    storetime,
    hours_after_intime,
    text,
    concat('last of ', candidates, ' of the same admission') AS reason
FROM note
WHERE place = 1
ORDER BY stay_id
