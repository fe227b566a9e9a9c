-- How many rows of each raw table every rule let through.
-- Grain:  one row per source and rule, in the order in which they apply.
-- Reads:  stg_row_count, ehr_measurement, cxr_study, radiology_report, discharge_note.
-- Params: none.
WITH reason (place, rule) AS (
    VALUES
    (2, 'admission unknown'),
    (3, 'admission outside the cohort'),
    (4, 'other stay of the admission'),
    (5, 'value missing'),
    (6, 'time missing'),
    (7, 'value not readable'),
    (8, 'value not plausible')
),

judged AS (
    SELECT
        e.source,
        coalesce(k.place, 9) AS lost_at_place,
        count(*) AS measurements
    FROM ehr_measurement AS e
    LEFT JOIN reason AS k ON e.drop_reason = k.rule
    GROUP BY e.source, coalesce(k.place, 9)
),

chosen (source, rule, kept) AS (
    SELECT
        source,
        'mapped item of a cohort patient' AS rule,
        sum(measurements) AS kept
    FROM judged
    GROUP BY source
    UNION ALL
    VALUES
    ('cxr_metadata', 'chosen for a stay', (SELECT count(*) FROM cxr_study)),
    ('radiology', 'joined to a stay', (SELECT count(*) FROM radiology_report)),
    ('discharge', 'chosen for a stay', (SELECT count(*) FROM discharge_note))
),

account AS (
    SELECT
        source,
        0 AS place,
        'staged from the raw file' AS rule,
        rows_in,
        rows_kept
    FROM stg_row_count
    UNION ALL
    SELECT
        c.source,
        1 AS place,
        c.rule,
        n.rows_kept AS rows_in,
        c.kept AS rows_kept
    FROM chosen AS c
    INNER JOIN stg_row_count AS n ON c.source = n.source
    UNION ALL
    SELECT
        j.source,
        k.place,
        concat('not: ', k.rule) AS rule,
        coalesce(sum(j.measurements) FILTER (WHERE j.lost_at_place >= k.place), 0) AS rows_in,
        coalesce(sum(j.measurements) FILTER (WHERE j.lost_at_place > k.place), 0) AS rows_kept
    FROM reason AS k
    INNER JOIN judged AS j ON TRUE
    GROUP BY j.source, k.place, k.rule
)

SELECT
    source,
    rule,
    cast(rows_in AS BIGINT) AS rows_in,
    cast(rows_kept AS BIGINT) AS rows_kept
FROM account
ORDER BY source, place
