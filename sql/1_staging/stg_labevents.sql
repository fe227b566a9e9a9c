-- Laboratory rows of the mapped items, and traces of text answers of other items the published map selects.
-- Grain:  one row per raw row that is kept; itemid null = a trace, of which only the ids are known.
-- Reads:  raw_labevents, ehr_itemid, ehr_selected_itemid.
-- Params: none.
WITH mapped AS (
    SELECT itemid
    FROM ehr_itemid
    WHERE source_table = 'labevents'
),

marked AS (
    SELECT
        subject_id,
        hadm_id,
        charttime,
        storetime,
        itemid,
        value,
        valuenum,
        itemid IN (SELECT m.itemid FROM mapped AS m) AS is_mapped
    FROM raw_labevents
)

-- rows of mapped items pass as they are, which the quick reader of raw files relies on;
-- a trace costs next to nothing in a column store and decides how the published maximum compares
SELECT
    subject_id,
    hadm_id,
    CASE WHEN is_mapped THEN charttime END AS charttime,
    CASE WHEN is_mapped THEN storetime END AS storetime,
    CASE WHEN is_mapped THEN itemid END AS itemid,
    CASE WHEN is_mapped THEN value END AS value,
    CASE WHEN is_mapped THEN valuenum END AS valuenum
FROM marked
WHERE
    is_mapped
    OR (
        itemid IN (SELECT s.itemid FROM ehr_selected_itemid AS s)
        AND value IS NOT NULL
        -- 1_000 is no number, though the cast takes it for one; nor is NAN in other letters than nan and NaN
        AND coalesce(isnan(try_cast(replace(value, '_', 'x') AS DOUBLE)), TRUE)
    )
