-- Radiology reports, numbered in the order of the file; hadm_id may be null.
-- Grain:  one row per row of the file; file_order tells them apart, note_id may be absent or repeated.
-- Reads:  raw_radiology.
-- Params: none.
SELECT
    note_id,
    subject_id,
    hadm_id,
    row_number() OVER () AS file_order,
    charttime,
    storetime,
    text
FROM raw_radiology
