-- What was measured during the window: one value per stay, time and channel, the largest of those recorded.
-- Grain:  one row per stay_id, hours_after_intime and variable.
-- Reads:  ehr_measurement, stay, text_subject, ehr_variable, stg_extraction_rule.
-- Params: none.
WITH measured_at AS (
    SELECT
        subject_id,
        stay_id,
        charttime,
        bool_or(drop_reason IS NULL) AS is_known
    FROM ehr_measurement
    -- what came in too late for its own stay may be in time for another one that sees it
    WHERE coalesce(drop_reason, 'stored after the window') = 'stored after the window'
    GROUP BY ALL
),

-- a time belongs to the stay of its measurements and to every stay of the subject that contains it
seen AS (
    SELECT
        subject_id,
        stay_id,
        charttime
    FROM measured_at
    WHERE is_known
    UNION
    SELECT
        m.subject_id,
        s.stay_id,
        m.charttime
    FROM measured_at AS m
    INNER JOIN stay AS s ON m.subject_id = s.subject_id AND m.charttime BETWEEN s.intime AND s.outtime
),

in_window AS (
    SELECT
        e.subject_id,
        e.stay_id,
        e.charttime,
        s.window_end,
        date_diff('second', s.intime, e.charttime) / 60.0 / 60.0 AS hours_after_intime
    FROM seen AS e
    INNER JOIN stay AS s ON e.stay_id = s.stay_id
    WHERE e.charttime BETWEEN s.window_start AND s.window_end
),

cell AS (
    SELECT
        w.subject_id,
        w.stay_id,
        w.hours_after_intime,
        m.variable,
        max(m.value) AS largest_value,
        max(m.value_text) AS last_text
    FROM in_window AS w
    INNER JOIN ehr_measurement AS m ON w.subject_id = m.subject_id AND w.charttime = m.charttime
    CROSS JOIN stg_extraction_rule AS r
    WHERE
        coalesce(m.drop_reason, 'stored after the window') = 'stored after the window'
        -- not what was stored after the window of this stay, whatever stay it was measured for
        AND NOT coalesce(r.requires_stored_values AND m.storetime > w.window_end, FALSE)
    GROUP BY ALL
)

SELECT
    c.stay_id,
    c.hours_after_intime,
    c.variable,
    CASE
        WHEN v.is_categorical THEN NULL
        -- published: largest as text ('99' beats '101') unless all values of the subject are numbers
        WHEN v.has_text_maximum AND t.subject_id IS NOT NULL AND NOT r.uses_numeric_maximum
            THEN try_cast(c.last_text AS DOUBLE)
        ELSE c.largest_value
    END AS value,
    CASE WHEN v.is_categorical THEN c.last_text END AS value_text
FROM cell AS c
INNER JOIN ehr_variable AS v ON c.variable = v.variable
LEFT JOIN text_subject AS t ON c.subject_id = t.subject_id
CROSS JOIN stg_extraction_rule AS r
ORDER BY c.stay_id, c.hours_after_intime, c.variable
