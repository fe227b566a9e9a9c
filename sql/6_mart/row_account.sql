-- How many rows of each raw table every rule let through, and how many its release is said to have.
-- Grain:  one row per source and rule, in the order in which they apply.
-- Reads:  stg_row_count, reject, release_count, row_use, measurement_use, item_use, report_use, cxr_study, discharge_note.
-- Params: none.
WITH rejected AS (
    SELECT
        source,
        sum(rows) AS rows_rejected
    FROM reject
    GROUP BY source
),

kept AS (
    SELECT
        n.source,
        1 AS place,
        'read, and not rejected' AS rule,
        n.rows_in - coalesce(r.rows_rejected, 0) AS rows_kept
    FROM stg_row_count AS n
    LEFT JOIN rejected AS r ON n.source = r.source
    UNION ALL
    SELECT
        source,
        2 AS place,
        'needed by some configuration' AS rule,
        rows_kept
    FROM stg_row_count
    UNION ALL
    SELECT
        source,
        place,
        rule,
        rows_kept
    FROM row_use
    UNION ALL
    SELECT
        source,
        place,
        rule,
        rows_kept
    FROM measurement_use
    UNION ALL
    SELECT
        source,
        place,
        rule,
        rows_kept
    FROM item_use
    UNION ALL
    SELECT
        source,
        place,
        rule,
        rows_kept
    FROM report_use
    UNION ALL
    VALUES
    -- one image may be the one of two stays
    ('cxr_metadata', 99, 'chosen for a stay', (SELECT count(DISTINCT dicom_id) FROM cxr_study)),
    ('discharge', 99, 'chosen for a stay', (SELECT count(*) FROM discharge_note))
)

SELECT
    k.source,
    k.rule,
    cast(coalesce(lag(k.rows_kept) OVER applied, n.rows_in) AS BIGINT) AS rows_in,
    cast(k.rows_kept AS BIGINT) AS rows_kept,
    CASE WHEN k.place = 1 THEN c.rows END AS rows_published
FROM kept AS k
INNER JOIN stg_row_count AS n ON k.source = n.source
LEFT JOIN release_count AS c ON k.source = c.source
WINDOW applied AS (PARTITION BY k.source ORDER BY k.place)
ORDER BY k.source, k.place
