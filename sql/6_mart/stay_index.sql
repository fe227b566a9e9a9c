-- The samples of the task: cohort stays with a diagnosis, a full window and a measurement inside it.
-- Grain:  one row per stay_id.
-- Reads:  stay, stay_criterion, subject_split, ehr_event, cxr_study, radiology_report, discharge_note.
-- Params: none.
WITH event_count AS (
    SELECT
        stay_id,
        count(*) AS events
    FROM ehr_event
    GROUP BY stay_id
),

report_count AS (
    SELECT
        stay_id,
        count(*) AS reports
    FROM radiology_report
    GROUP BY stay_id
)

SELECT
    s.stay_id,
    s.subject_id,
    s.hadm_id,
    p.split,
    s.window_start,
    s.window_end,
    s.window_hours,
    e.events AS ehr_event_count,
    cast(x.stay_id IS NOT NULL AS BIGINT) AS cxr_count,
    coalesce(n.reports, 0) AS rr_count,
    cast(d.stay_id IS NOT NULL AS BIGINT) AS dn_count
FROM stay AS s
INNER JOIN stay_criterion AS c ON s.stay_id = c.stay_id
INNER JOIN subject_split AS p ON s.subject_id = p.subject_id
INNER JOIN event_count AS e ON s.stay_id = e.stay_id
LEFT JOIN cxr_study AS x ON s.stay_id = x.stay_id
LEFT JOIN report_count AS n ON s.stay_id = n.stay_id
LEFT JOIN discharge_note AS d ON s.stay_id = d.stay_id
WHERE c.has_diagnosis AND c.is_long_enough
ORDER BY s.stay_id
