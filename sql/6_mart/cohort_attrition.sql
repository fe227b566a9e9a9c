-- Stays lost at each criterion, in the order in which they apply.
-- Grain:  one row per step, from 0 = all ICU stays.
-- Reads:  stay_criterion, ehr_event.
-- Params: none.
WITH measured AS (
    SELECT DISTINCT stay_id
    FROM ehr_event
),

judged AS (
    SELECT
        c.stay_id,
        c.subject_id,
        CASE
            WHEN NOT c.is_unit_unchanged THEN 1
            WHEN NOT c.has_admission THEN 2
            WHEN NOT c.is_only_stay THEN 3
            WHEN NOT c.is_adult THEN 4
            WHEN NOT c.has_diagnosis THEN 5
            WHEN NOT c.is_long_enough THEN 6
            WHEN m.stay_id IS NULL THEN 7
            ELSE 8
        END AS lost_at_step
    FROM stay_criterion AS c
    LEFT JOIN measured AS m ON c.stay_id = m.stay_id
),

criterion (step, criterion) AS (
    VALUES
    (0, 'ICU stay'),
    (1, 'one ICU unit from admission to discharge'),
    (2, 'admission and patient known'),
    (3, 'only remaining ICU stay of its admission'),
    (4, 'old enough'),
    (5, 'a known diagnosis'),
    (6, 'ICU stay as long as the window'),
    (7, 'a measurement in the window')
)

SELECT
    cast(k.step AS BIGINT) AS step,
    k.criterion,
    count(j.stay_id) FILTER (WHERE j.lost_at_step > k.step) AS stays_left,
    count(j.stay_id) FILTER (WHERE j.lost_at_step = k.step) AS stays_lost,
    count(DISTINCT j.subject_id) FILTER (WHERE j.lost_at_step > k.step) AS subjects_left
FROM criterion AS k
-- every stay meets every criterion once: rows are stays times steps; an empty table still lists the steps
LEFT JOIN judged AS j ON TRUE
GROUP BY k.step, k.criterion
ORDER BY k.step
