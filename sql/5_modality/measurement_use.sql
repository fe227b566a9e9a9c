-- How many rows of the raw tables of events are left after each rule of the channels.
-- Grain:  one row per source and place.
-- Reads:  ehr_measurement, stay, other_stay.
-- Params: none.
WITH reason (place, drop_reason) AS (
    VALUES
    (3, NULL),
    (4, 'admission unknown'), (5, 'admission outside the cohort'), (6, 'other stay of the admission'),
    (7, 'value missing'), (8, 'time missing'), (9, 'value not readable'), (10, 'value not plausible'),
    (11, 'stored after the window'), (12, 'outside the window')
),

placed AS NOT MATERIALIZED (
    SELECT
        e.source,
        e.stay_id,
        e.charttime,
        e.storetime,
        e.is_recovered,
        hash(e.subject_id, e.charttime, e.storetime, e.variable, e.value, e.value_text) AS measurement,
        coalesce(k.place, if(e.charttime BETWEEN s.window_start AND s.window_end, 99, 12)) AS lost_at_place
    FROM ehr_measurement AS e
    LEFT JOIN reason AS k ON e.drop_reason = k.drop_reason
    LEFT JOIN stay AS s ON e.stay_id = s.stay_id
),

-- a raw row whose time lies in two admissions stands here once for each; what counts is where it came furthest
recovered AS (
    SELECT
        source,
        measurement,
        lost_at_place,
        row_number() OVER (PARTITION BY source, measurement, stay_id ORDER BY lost_at_place DESC) AS raw_row
    FROM placed
    WHERE is_recovered
),

judged AS (
    SELECT
        source,
        lost_at_place,
        count(*) AS measurements
    FROM placed
    WHERE NOT is_recovered
    GROUP BY source, lost_at_place
    UNION ALL
    -- what its own stay does not use may be used by another one that the time lies in
    SELECT
        p.source,
        unnest([p.lost_at_place, 99]) AS lost_at_place,
        unnest([-count(*), count(*)]) AS measurements
    FROM placed AS p
    SEMI JOIN other_stay AS o
        ON
            p.stay_id = o.own_stay_id AND p.charttime BETWEEN o.seen_from AND o.seen_to
            AND coalesce(p.storetime <= o.known_by, TRUE)
    WHERE p.lost_at_place IN (11, 12) AND NOT p.is_recovered
    GROUP BY p.source, p.lost_at_place
    UNION ALL
    SELECT
        source,
        max(lost_at_place) AS lost_at_place,
        1 AS measurements
    FROM recovered
    GROUP BY source, measurement, raw_row
)

SELECT
    s.source,
    k.place,
    coalesce('not: ' || k.drop_reason, 'mapped item of a cohort patient') AS rule,
    cast(coalesce(sum(j.measurements) FILTER (WHERE j.lost_at_place > k.place), 0) AS BIGINT) AS rows_kept
FROM reason AS k
CROSS JOIN (VALUES ('chartevents'), ('labevents')) AS s (source)
LEFT JOIN judged AS j ON s.source = j.source
GROUP BY s.source, k.place, k.drop_reason
