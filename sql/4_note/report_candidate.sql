-- Radiology reports of the admissions of the cohort, or the first reason why one is not joined to its stay.
-- Grain:  one row per stay_id and file_order.
-- Reads:  stay, stg_radiology, stg_extraction_rule, chest_radiograph.
-- Params: $uses_rr, false = no row; $without_cxr_reports, true = none of a chest radiograph.
WITH report AS (
    SELECT
        s.stay_id,
        n.file_order,
        n.charttime,
        n.hadm_id IS NULL AS is_recovered,
        n.text IS NOT NULL AS has_text,
        r.joins_a_note_once,
        coalesce(n.charttime BETWEEN s.window_start AND s.window_end, FALSE) AS is_in_window,
        -- published: no limit of time where the whole stay is watched
        s.is_whole_stay AND NOT r.always_limits_reports AS is_limitless,
        NOT r.requires_stored_reports OR coalesce(n.storetime <= s.window_end, TRUE) AS is_known,
        -- the same row again, with or without its admission; one note_id with another text is another report
        row_number() OVER (
            PARTITION BY s.stay_id, n.note_id, n.charttime, n.storetime, hash(n.text)
            ORDER BY n.file_order
        ) > 1 AS is_repeated,
        -- the title says what was done; older reports have none and begin with the technique
        CASE
            WHEN $without_cxr_reports THEN nullif(regexp_extract(n.text, c.title_pattern, 1), '')
        END AS title,
        -- a chest tube or chest pain is no picture of the chest
        regexp_replace(
            coalesce(title, left(n.text, c.untitled_length)), c.ignored_pattern, ' ', 'g'
        ) AS words,
        CASE
            WHEN NOT $without_cxr_reports THEN FALSE
            WHEN title IS NULL THEN regexp_matches(words, c.untitled_pattern)
            ELSE regexp_matches(words, c.chest_pattern) AND NOT regexp_matches(words, c.other_pattern)
        END AS is_left_out
    FROM stay AS s
    CROSS JOIN stg_extraction_rule AS r
    CROSS JOIN chest_radiograph AS c
    -- one stay per admission in the cohort: at most one row per report, or two where admissions overlap
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
    WHERE $uses_rr
)

SELECT
    stay_id,
    file_order,
    is_recovered,
    is_in_window,
    CASE
        WHEN NOT has_text THEN 'text missing'
        WHEN charttime IS NULL AND NOT is_limitless THEN 'time missing'
        WHEN NOT is_in_window AND NOT is_limitless THEN 'outside the window'
        WHEN NOT is_known THEN 'stored after the window'
        WHEN is_repeated AND joins_a_note_once THEN 'report repeated'
        WHEN is_left_out THEN 'of a chest radiograph'
    END AS drop_reason
FROM report
