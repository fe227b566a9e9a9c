-- Whether any diagnosis of the admission belongs to the phenotype.
-- Grain:  one row per stay_id and phenotype; no row for a stay without a known diagnosis.
-- Reads:  stay, stg_diagnoses_icd, stg_extraction_rule, phenotype.
-- Params: none.
WITH diagnosis AS (
    SELECT
        s.stay_id,
        d.icd_code,
        d.icd_version
    FROM stay AS s
    INNER JOIN stg_diagnoses_icd AS d ON s.subject_id = d.subject_id AND s.hadm_id = d.hadm_id
    CROSS JOIN stg_extraction_rule AS r
    WHERE CASE WHEN r.respects_icd_version THEN d.is_known_in_version ELSE d.is_known_code END
),

found AS (
    SELECT DISTINCT
        d.stay_id,
        p.phenotype
    FROM diagnosis AS d
    CROSS JOIN stg_extraction_rule AS r
    INNER JOIN phenotype AS p
        -- as text alone, 16 ICD-9 V codes also match ICD-10 accident codes
        ON
            d.icd_code = p.icd_code
            AND (d.icd_version = p.icd_version OR NOT r.respects_icd_version)
),

diagnosed AS (
    SELECT DISTINCT stay_id
    FROM diagnosis
),

named AS (
    SELECT DISTINCT phenotype
    FROM phenotype
)

SELECT
    d.stay_id,
    n.phenotype,
    cast(f.stay_id IS NOT NULL AS TINYINT) AS label
FROM diagnosed AS d
CROSS JOIN named AS n
LEFT JOIN found AS f ON d.stay_id = f.stay_id AND n.phenotype = f.phenotype
ORDER BY d.stay_id, n.phenotype
