-- How many rows of the raw radiology table are left after each rule of the reports.
-- Grain:  one row per place.
-- Reads:  report_candidate.
-- Params: $uses_rr, false = the modality is not asked for.
WITH reason (place, rule, drop_reason) AS (
    VALUES
    (4, 'of the admission of a cohort stay', NULL),
    (5, 'not: text missing', 'text missing'),
    (6, 'not: time missing', 'time missing'),
    (7, 'not: outside the window', 'outside the window'),
    (8, 'not: stored after the window', 'stored after the window'),
    (9, 'not: report repeated', 'report repeated'),
    (10, 'not: of a chest radiograph', 'of a chest radiograph'),
    (99, 'joined to a stay', NULL)
),

-- a report of two overlapping admissions is one row of the file: what counts is where it came furthest
judged AS (
    SELECT
        c.file_order,
        max(coalesce(k.place, 100)) AS lost_at_place
    FROM report_candidate AS c
    LEFT JOIN reason AS k ON c.drop_reason = k.drop_reason
    GROUP BY c.file_order
)

SELECT
    'radiology' AS source,
    k.place,
    if($uses_rr OR k.place = 99, k.rule, 'not: modality not asked for') AS rule,
    count(j.file_order) AS rows_kept
FROM reason AS k
LEFT JOIN judged AS j ON k.place < j.lost_at_place
WHERE $uses_rr OR k.place IN (4, 99)
GROUP BY k.place, k.rule
