-- How many rows of the raw tables of events are left after each rule of the channels.
-- Grain:  one row per source and place.
-- Reads:  ehr_measurement.
-- Params: none.
WITH reason (place, rule, drop_reason) AS (
    VALUES
    (3, 'mapped item of a cohort patient', NULL),
    (4, 'not: admission unknown', 'admission unknown'),
    (5, 'not: admission outside the cohort', 'admission outside the cohort'),
    (6, 'not: other stay of the admission', 'other stay of the admission'),
    (7, 'not: value missing', 'value missing'),
    (8, 'not: time missing', 'time missing'),
    (9, 'not: value not readable', 'value not readable'),
    (10, 'not: value not plausible', 'value not plausible'),
    (11, 'not: stored after the window', 'stored after the window')
),

-- a raw row whose time lies in two admissions stands here once for each
copied AS (
    SELECT
        e.source,
        e.subject_id,
        e.charttime,
        e.storetime,
        e.variable,
        e.value,
        e.value_text,
        -- a measurement without a reason to drop it passes every place
        coalesce(k.place, 99) AS lost_at_place,
        row_number() OVER (
            PARTITION BY
                e.source, e.subject_id, e.charttime, e.storetime, e.variable, e.value, e.value_text, e.stay_id
            ORDER BY lost_at_place DESC
        ) AS raw_row
    FROM ehr_measurement AS e
    LEFT JOIN reason AS k ON e.drop_reason = k.drop_reason
    WHERE e.is_recovered
),

-- what counts of it is where it came furthest
judged AS (
    SELECT
        source,
        max(lost_at_place) AS lost_at_place,
        1 AS measurements
    FROM copied
    GROUP BY source, subject_id, charttime, storetime, variable, value, value_text, raw_row
    UNION ALL
    SELECT
        e.source,
        coalesce(k.place, 99) AS lost_at_place,
        count(*) AS measurements
    FROM ehr_measurement AS e
    LEFT JOIN reason AS k ON e.drop_reason = k.drop_reason
    WHERE NOT e.is_recovered
    GROUP BY e.source, coalesce(k.place, 99)
)

SELECT
    s.source,
    k.place,
    k.rule,
    cast(coalesce(sum(j.measurements) FILTER (WHERE j.lost_at_place > k.place), 0) AS BIGINT) AS rows_kept
FROM reason AS k
CROSS JOIN (VALUES ('chartevents'), ('labevents')) AS s (source)
LEFT JOIN judged AS j ON s.source = j.source
GROUP BY s.source, k.place, k.rule
