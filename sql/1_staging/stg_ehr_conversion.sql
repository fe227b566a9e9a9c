-- Changes of unit that the profile makes, with the range of recorded values that each applies to.
-- Grain:  one row per itemid that is converted; new value = (value - subtract) * multiply / divide.
-- Reads:  ehr_conversion.
-- Params: $profile, published or corrected.
SELECT
    itemid,
    at_least,
    above,
    at_most,
    subtract,
    multiply,
    divide
FROM ehr_conversion
WHERE CASE $profile WHEN 'published' THEN published WHEN 'corrected' THEN corrected END = 1
