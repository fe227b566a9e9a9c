-- Radiology reports of the admission that fall into the window, in the order in which they are joined.
-- Grain:  one row per stay_id and report; a row of the file that repeats another is a report where profiles keep it.
-- Reads:  stay, report_candidate, stg_radiology, stg_extraction_rule.
-- Params: none.
SELECT
    s.stay_id,
    n.note_id,
    row_number() OVER (
        PARTITION BY s.stay_id
        -- a report without a time comes after those that have one
        ORDER BY CASE WHEN r.orders_notes_by_time THEN n.charttime END NULLS LAST, n.file_order
    ) - 1 AS note_order,
    n.charttime,
    n.storetime,
    date_diff('second', s.intime, n.charttime) / 3600.0 AS hours_after_intime,
    n.text,
    concat(
        CASE WHEN c.is_recovered THEN 'admission by time' ELSE 'same admission' END,
        CASE
            WHEN n.charttime IS NULL THEN ', without a time'
            WHEN c.is_in_window THEN ', in the window'
            ELSE ', outside the window'
        END
    ) AS reason
FROM report_candidate AS c
INNER JOIN stay AS s ON c.stay_id = s.stay_id
INNER JOIN stg_radiology AS n ON c.file_order = n.file_order
CROSS JOIN stg_extraction_rule AS r
WHERE c.drop_reason IS NULL
ORDER BY s.stay_id, note_order
