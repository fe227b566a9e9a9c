-- Whether any diagnosis of the admission belongs to the phenotype.
-- Grain:  one row per stay_id and phenotype; no row for a stay without a known diagnosis.
-- Reads:  stay, stay_criterion, stg_diagnoses_icd, stg_extraction_rule, phenotype, phenotype_code.
-- Params: none.
WITH found AS (
    SELECT DISTINCT
        s.stay_id,
        p.phenotype
    FROM stay AS s
    INNER JOIN stg_diagnoses_icd AS d ON s.subject_id = d.subject_id AND s.hadm_id = d.hadm_id
    CROSS JOIN stg_extraction_rule AS r
    INNER JOIN phenotype_code AS p
        ON
            d.icd_code = p.icd_code
            AND (d.icd_version = p.icd_version OR NOT r.respects_icd_version)
),

diagnosed AS (
    SELECT s.stay_id
    FROM stay AS s
    INNER JOIN stay_criterion AS c ON s.stay_id = c.stay_id
    WHERE c.has_diagnosis
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
