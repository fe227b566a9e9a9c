-- Changes of unit that the run makes, with the range of recorded values that each applies to.
-- Grain:  one row per itemid that is converted; new value = (value - subtract) * multiply / divide.
-- Reads:  ehr_conversion.
-- Params: $corrections, names of the rules that are on.
SELECT
    itemid,
    at_least,
    above,
    at_most,
    subtract,
    multiply,
    divide
FROM ehr_conversion
WHERE
    CASE
        WHEN list_contains(cast($corrections AS VARCHAR[]), 'units_by_item') THEN corrected
        ELSE published
    END = 1
