-- The radiograph of each stay: the latest one of the wanted projection taken during the window.
-- Grain:  one row per stay_id.
-- Reads:  stay, stg_cxr_metadata.
-- Params: $uses_cxr, false = no row; $view_position, projection.
WITH candidate AS (
    SELECT
        s.stay_id,
        s.subject_id,
        x.study_id,
        x.dicom_id,
        x.studytime,
        date_diff('second', s.intime, x.studytime) / 3600.0 AS hours_after_intime,
        x.view_position,
        x.image_path,
        -- dicom_id decides between images of one moment, so that no order of rows does
        row_number() OVER newest AS place,
        count(*) OVER (PARTITION BY s.stay_id) AS candidates
    FROM stay AS s
    -- images know their subject only: as many rows as its stays contain the time
    INNER JOIN stg_cxr_metadata AS x
        ON
            s.subject_id = x.subject_id
            -- published: a whole stay ends for images with outtime, for measurements with its recorded length
            AND x.studytime BETWEEN s.window_start AND if(s.is_whole_stay, s.outtime, s.window_end)
    WHERE $uses_cxr AND x.view_position = $view_position
    WINDOW newest AS (PARTITION BY s.stay_id ORDER BY x.studytime DESC, x.dicom_id DESC)
)

SELECT
    stay_id,
    subject_id,
    study_id,
    dicom_id,
    studytime,
    hours_after_intime,
    view_position,
    image_path,
    concat('latest of ', candidates, ' ', view_position, ' images in the window') AS reason
FROM candidate
WHERE place = 1
ORDER BY stay_id
