-- How many rows of the raw tables of images and discharge notes are left after each rule but the last, the choice.
-- Grain:  one row per source and place.
-- Reads:  stay, stg_cxr_metadata, stg_discharge.
-- Params: $uses_cxr, $view_position, projection; $uses_dn.
WITH patient AS (
    SELECT DISTINCT subject_id
    FROM stay
),

image AS (
    SELECT
        x.subject_id,
        x.dicom_id,
        x.studytime
    FROM stg_cxr_metadata AS x
    INNER JOIN patient AS p ON x.subject_id = p.subject_id
    WHERE $uses_cxr AND x.view_position = $view_position
),

note AS (
    SELECT n.text IS NOT NULL AS has_text
    FROM stg_discharge AS n
    -- an admission has one stay in the cohort, so a note stands here once
    INNER JOIN stay AS s ON n.subject_id = s.subject_id AND n.hadm_id = s.hadm_id
    WHERE $uses_dn
)

SELECT
    'cxr_metadata' AS source,
    4 AS place,
    if($uses_cxr, 'not: other projection', 'not: modality not asked for') AS rule,
    count(*) AS rows_kept
FROM image
UNION ALL
SELECT
    'cxr_metadata' AS source,
    5 AS place,
    'not: outside the window' AS rule,
    -- an image in the windows of two stays is one row of the file
    count(DISTINCT i.dicom_id) AS rows_kept
FROM image AS i
INNER JOIN stay AS s
    ON
        i.subject_id = s.subject_id
        AND i.studytime BETWEEN s.window_start AND if(s.is_whole_stay, s.outtime, s.window_end)
HAVING $uses_cxr
UNION ALL
SELECT
    'discharge' AS source,
    4 AS place,
    if($uses_dn, 'of the admission of a cohort stay', 'not: modality not asked for') AS rule,
    count(*) AS rows_kept
FROM note
UNION ALL
SELECT
    'discharge' AS source,
    5 AS place,
    'not: text missing' AS rule,
    count(*) FILTER (WHERE has_text) AS rows_kept
FROM note
HAVING $uses_dn
