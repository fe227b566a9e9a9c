-- Recorded values of the mapped items as numbers in the channel's unit, or as known answers.
-- Grain:  one row per staged row with an itemid; value and value_text null = not readable.
-- Reads:  stg_chartevents, stg_labevents, ehr_itemid, ehr_variable, stg_ehr_conversion, stg_extraction_rule.
-- Params: none.
WITH recorded AS (
    SELECT
        'chartevents' AS source,
        subject_id,
        hadm_id,
        stay_id,
        charttime,
        storetime,
        itemid,
        value,
        valuenum
    FROM stg_chartevents
    UNION ALL BY NAME -- laboratory results know their admission only
    SELECT
        'labevents' AS source,
        subject_id,
        hadm_id,
        charttime,
        storetime,
        itemid,
        value,
        valuenum
    FROM stg_labevents
),

readable AS (
    SELECT
        i.source_table AS source,
        e.subject_id,
        e.hadm_id,
        e.stay_id,
        e.charttime,
        e.storetime,
        e.itemid,
        v.variable,
        e.value IS NOT NULL OR (r.falls_back_on_valuenum AND e.valuenum IS NOT NULL) AS has_value,
        CASE WHEN list_contains(string_split(v.possible_values, '|'), e.value) THEN e.value END AS answer,
        CASE
            WHEN v.parse = 'answer' THEN NULL
            WHEN v.parse IN ('first_of_pair', 'second_of_pair') AND regexp_full_match(e.value, '\d+/\d+')
                THEN split_part(e.value, '/', if(v.parse = 'first_of_pair', 1, 2))
            WHEN regexp_full_match(e.value, '\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*') THEN e.value
        END AS number_text,
        -- signs, blanks and exponents of these channels are read only where no value of the subject is a text
        v.parse = 'digits' AND NOT regexp_full_match(e.value, '\d+(\.\d*)?|\.\d+') AS is_irregular,
        try_cast(number_text AS DOUBLE) AS text_number,
        CASE
            WHEN v.parse = 'answer' OR NOT r.falls_back_on_valuenum THEN text_number
            WHEN text_number IS NULL OR is_irregular THEN e.valuenum
            ELSE text_number
        END AS number
    FROM recorded AS e
    INNER JOIN ehr_itemid AS i ON e.itemid = i.itemid AND e.source = i.source_table
    INNER JOIN ehr_variable AS v ON i.variable = v.variable
    CROSS JOIN stg_extraction_rule AS r
)

SELECT
    n.source,
    n.subject_id,
    n.hadm_id,
    n.stay_id,
    n.charttime,
    n.storetime,
    n.variable,
    n.has_value,
    coalesce(n.answer, n.number_text) AS value_text,
    coalesce((n.number - c.subtract) * c.multiply / c.divide, n.number) AS value,
    coalesce(n.is_irregular, FALSE) AS is_irregular
FROM readable AS n
-- the ranges of one item exclude each other: at most one row
LEFT JOIN stg_ehr_conversion AS c
    ON
        n.itemid = c.itemid
        AND n.number BETWEEN coalesce(c.at_least, n.number) AND coalesce(c.at_most, n.number)
        AND (c.above IS NULL OR n.number > c.above)
