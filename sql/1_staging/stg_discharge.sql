-- Discharge summaries, numbered in the order of the file; charttime is a date without a clock time.
-- Grain:  one row per row of the file; file_order tells them apart, note_id may be absent or repeated.
-- Reads:  raw_discharge.
-- Params: none.
SELECT
    note_id,
    subject_id,
    hadm_id,
    row_number() OVER () AS file_order,
    charttime,
    storetime,
    text
FROM raw_discharge
