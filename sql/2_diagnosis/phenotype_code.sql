-- The phenotypes of each code of the dictionary, under the rules of the run.
-- Grain:  one row per icd_code, icd_version and phenotype.
-- Reads:  stg_d_icd_diagnoses, phenotype, phenotype_icd10, stg_extraction_rule.
-- Params: none.
WITH code AS (
    SELECT DISTINCT
        icd_code,
        icd_version
    FROM stg_d_icd_diagnoses
),

-- the published list has codes of both versions; as text, 16 ICD-9 V codes are ICD-10 accident codes too
listed AS (
    SELECT
        c.icd_code,
        c.icd_version,
        p.phenotype
    FROM code AS c
    CROSS JOIN stg_extraction_rule AS r
    INNER JOIN phenotype AS p
        ON
            c.icd_code = p.icd_code
            AND (c.icd_version = p.icd_version OR NOT r.respects_icd_version)
    WHERE NOT (r.covers_icd10 AND p.icd_version IN (SELECT x.icd_version FROM phenotype_icd10 AS x))
),

-- its ICD-10 side has one target per ICD-9 code; the prefixes stand for every code of the category
prefix AS (
    SELECT DISTINCT length(icd_code_prefix) AS length
    FROM phenotype_icd10
),

covered AS (
    SELECT
        c.icd_code,
        c.icd_version,
        p.phenotype
    FROM code AS c
    CROSS JOIN stg_extraction_rule AS r
    INNER JOIN prefix AS n ON length(c.icd_code) >= n.length
    -- the prefixes exclude each other: at most one row per code
    INNER JOIN phenotype_icd10 AS p
        ON left(c.icd_code, n.length) = p.icd_code_prefix AND c.icd_version = p.icd_version
    WHERE r.covers_icd10
)

SELECT
    icd_code,
    icd_version,
    phenotype
FROM listed
UNION
SELECT
    icd_code,
    icd_version,
    phenotype
FROM covered
