-- Radiology reports of the admission that fall into the window, in the order in which they are joined.
-- Grain:  one row per stay_id and note_id.
-- Reads:  stay, stg_radiology, stg_extraction_rule, chest_radiograph.
-- Params: $uses_rr, false = no row; $without_cxr_reports, true = none of a chest radiograph.
WITH report AS (
    SELECT
        s.stay_id,
        n.note_id,
        n.file_order,
        n.charttime,
        n.storetime,
        date_diff('second', s.intime, n.charttime) / 3600.0 AS hours_after_intime,
        n.text,
        n.hadm_id IS NULL AS is_recovered,
        r.orders_notes_by_time,
        n.charttime BETWEEN s.window_start AND s.window_end AS is_in_window,
        -- published: no limit of time where the whole stay is watched
        s.is_whole_stay AND NOT r.always_limits_reports AS is_limitless,
        NOT r.requires_stored_reports OR coalesce(n.storetime <= s.window_end, TRUE) AS is_known,
        -- the title says what was done; older reports have none and begin with the technique
        nullif(regexp_extract(n.text, c.title_pattern, 1), '') AS title,
        if(
            title IS NULL,
            regexp_matches(left(n.text, c.untitled_length), c.untitled_pattern),
            regexp_matches(title, c.chest_pattern) AND NOT regexp_matches(title, c.other_pattern)
        ) AS is_of_chest_radiograph
    FROM stay AS s
    CROSS JOIN stg_extraction_rule AS r
    CROSS JOIN chest_radiograph AS c
    -- one stay per admission in the cohort: a report belongs to at most one, or to two overlapping admissions
    INNER JOIN stg_radiology AS n
        ON
            s.subject_id = n.subject_id
            AND (
                s.hadm_id = n.hadm_id
                OR (
                    r.recovers_hadm_id
                    AND n.hadm_id IS NULL
                    AND n.charttime BETWEEN s.admittime AND s.dischtime
                )
            )
    WHERE $uses_rr AND n.text IS NOT NULL
)

SELECT
    stay_id,
    note_id,
    row_number() OVER (
        PARTITION BY stay_id
        ORDER BY CASE WHEN orders_notes_by_time THEN charttime END, file_order
    ) - 1 AS note_order,
    charttime,
    storetime,
    hours_after_intime,
    text,
    concat(
        CASE WHEN is_recovered THEN 'admission by time' ELSE 'same admission' END,
        CASE WHEN is_in_window THEN ', in the window' ELSE ', outside the window' END
    ) AS reason
FROM report
WHERE
    (is_in_window OR is_limitless)
    AND is_known
    AND NOT ($without_cxr_reports AND is_of_chest_radiograph)
ORDER BY stay_id, note_order
