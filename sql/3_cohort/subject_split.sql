-- The part of the study that each subject belongs to, from a list or from a hash.
-- Grain:  one row per subject_id of the cohort.
-- Reads:  stay_criterion, split_list.
-- Params: $uses_split_list; $split_seed; $val_fraction, $test_fraction, shares of subjects.
WITH subject AS (
    SELECT DISTINCT subject_id
    FROM stay_criterion
    WHERE is_unit_unchanged AND has_admission AND is_only_stay AND is_adult
),

placed AS (
    SELECT
        subject_id,
        -- uniform on [0, 1): the first 32 bits of the hash
        cast(concat('0x', left(md5(concat($split_seed, '-', subject_id)), 8)) AS UBIGINT)
        / pow(2, 32) AS place
    FROM subject
)

SELECT
    p.subject_id,
    CASE
        WHEN l.split IS NOT NULL THEN l.split
        -- a subject that the published lists do not name trains, as published
        WHEN $uses_split_list THEN 'train'
        WHEN p.place < $test_fraction THEN 'test'
        WHEN p.place < $test_fraction + $val_fraction THEN 'val'
        ELSE 'train'
    END AS split
FROM placed AS p
LEFT JOIN split_list AS l ON p.subject_id = l.subject_id
ORDER BY p.subject_id
