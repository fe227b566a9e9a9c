-- Discharge summaries, numbered in the order of the file; charttime is a date without a clock time.
-- Grain:  one row per note_id.
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
