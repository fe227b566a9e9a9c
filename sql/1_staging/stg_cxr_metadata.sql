-- Chest radiographs: study time from its two parts, path of the file inside the MIMIC-CXR-JPG folder.
-- Grain:  one row per dicom_id.
-- Reads:  raw_cxr_metadata.
-- Params: none.
WITH padded AS (
    SELECT
        dicom_id,
        subject_id,
        study_id,
        viewposition AS view_position,
        -- StudyTime is HHMMSS.fff written as a number: 93012.5 is 09:30:12
        concat(studydate, lpad(cast(cast(floor(studytime) AS BIGINT) AS VARCHAR), 6, '0')) AS studytime,
        concat('p', subject_id) AS subject_folder
    FROM raw_cxr_metadata
)

SELECT
    dicom_id,
    subject_id,
    study_id,
    view_position,
    try_strptime(studytime, '%Y%m%d%H%M%S') AS studytime,
    concat_ws(
        '/', 'files', left(subject_folder, 3), subject_folder, concat('s', study_id), concat(dicom_id, '.jpg')
    ) AS image_path
FROM padded
