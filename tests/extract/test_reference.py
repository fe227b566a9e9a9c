"""The `published` profile on the open MIMIC-IV demo, against what the published extraction gave on it."""

from pathlib import Path

import duckdb
import pytest

from medpatch.config.cohort import CohortConfig
from medpatch.config.name import Profile
from medpatch.config.override import apply_overrides
from medpatch.config.preset import in_hospital_mortality, phenotyping
from medpatch.extract.layer import RELEASE_COUNT, SPLIT_LIST, list_layers
from medpatch.extract.parameter import sql_parameters
from medpatch.extract.register import register_parquet, register_seeds
from medpatch.extract.release_count import RELEASE_COUNT_SCHEMA
from medpatch.extract.run import build_staging, build_tables
from medpatch.extract.source import find_raw
from medpatch.extract.split_list import SPLIT_LIST_SCHEMA

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def staging(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "staging"
    build_staging(find_raw(shared_dir / "data" / "mimic-iv-demo"), folder, inputs="demo")
    return folder


@pytest.fixture(scope="module")
def reference(shared_dir: Path) -> Path:
    return shared_dir / "reference-demo"


def tables(staging: Path, reference: Path, cohort: CohortConfig) -> duckdb.DuckDBPyConnection:
    """All tables of a task, and the reference's as ref_<file>."""
    connection = duckdb.connect()
    register_seeds(connection)
    register_parquet(connection, staging)
    connection.register(SPLIT_LIST, SPLIT_LIST_SCHEMA.empty_table())
    connection.register(RELEASE_COUNT, RELEASE_COUNT_SCHEMA.empty_table())
    config = phenotyping().model_copy(update={"cohort": cohort})
    files = [file for file in list_layers() if not file.is_staging]
    build_tables(connection, files, parameters=sql_parameters(config))
    for file in reference.glob("*.parquet"):
        connection.execute(f"CREATE VIEW ref_{file.stem} AS FROM read_parquet('{file}')")
    return connection


@pytest.fixture(scope="module")
def mortality(staging: Path, reference: Path) -> duckdb.DuckDBPyConnection:
    return tables(staging, reference, in_hospital_mortality().cohort)


@pytest.fixture(scope="module")
def conditions(staging: Path, reference: Path) -> duckdb.DuckDBPyConnection:
    return tables(staging, reference, phenotyping().cohort)


def differences(connection: duckdb.DuckDBPyConnection, ours: str, theirs: str) -> tuple[int, int, int]:
    """Rows on both sides, only ours, only theirs."""
    both = connection.execute(f"SELECT count(*) FROM (({ours}) INTERSECT ALL ({theirs}))").fetchone()[0]
    only_ours = connection.execute(f"SELECT count(*) FROM (({ours}) EXCEPT ALL ({theirs}))").fetchone()[0]
    only_theirs = connection.execute(f"SELECT count(*) FROM (({theirs}) EXCEPT ALL ({ours}))").fetchone()[0]
    return both, only_ours, only_theirs


def test_all_112_stays_of_91_subjects_are_equal(conditions: duckdb.DuckDBPyConnection) -> None:
    ours = """SELECT subject_id, hadm_id, stay_id, intime, outtime, round(los_hours, 9), age_years, gender, race,
        in_hospital_mortality, first_careunit FROM stay"""
    theirs = """SELECT subject_id, hadm_id, stay_id, intime, outtime, round(24 * los, 9), age, gender, ethnicity,
        mortality_inhospital = 1, last_careunit FROM ref_stays"""

    assert differences(conditions, ours, theirs) == (112, 0, 0)
    assert conditions.execute("SELECT count(*) FROM subject_split").fetchone() == (91,)


def test_attrition_is_140_129_112(conditions: duckdb.DuckDBPyConnection) -> None:
    left = conditions.execute("SELECT stays_left FROM cohort_attrition ORDER BY step").fetchall()

    assert [n for (n,) in left] == [140, 129, 129, 112, 112, 112, 112, 112]


def test_all_54_mortality_samples_and_labels_are_equal(mortality: duckdb.DuckDBPyConnection) -> None:
    ours = "SELECT stay_id, label FROM stay_index INNER JOIN label_in_hospital_mortality USING (stay_id)"

    assert differences(mortality, ours, "SELECT stay_id, y_true FROM ref_ihm_labels") == (54, 0, 0)


def test_all_112_phenotyping_samples_labels_and_lengths_are_equal(conditions: duckdb.DuckDBPyConnection) -> None:
    long = """SELECT stay_id, phenotype, label FROM (UNPIVOT (
        SELECT * EXCLUDE (stay, period_length, split, subject_id) FROM ref_pheno_labels)
        ON COLUMNS(* EXCLUDE (stay_id)) INTO NAME phenotype VALUE label)"""
    ours = "SELECT stay_id, phenotype, label FROM label_phenotype INNER JOIN stay_index USING (stay_id)"

    assert differences(conditions, ours, long) == (2800, 0, 0)
    hours = "SELECT stay_id, round(window_hours, 6) FROM stay_index"
    theirs = "SELECT stay_id, CAST(period_length AS DOUBLE) FROM ref_pheno_labels"
    assert differences(conditions, hours, theirs) == (112, 0, 0)


CELL = """SELECT stay_id, hours_after_intime, variable, value, value_text FROM ehr_event"""
REFERENCE_CELL = """SELECT r.stay_id, r.hours, r.variable,
    CASE WHEN v.is_categorical THEN NULL ELSE r.value_num END, CASE WHEN v.is_categorical THEN r.value END
    FROM ref_episodes_long AS r INNER JOIN ehr_variable AS v USING (variable)"""


def test_all_78317_cells_of_whole_episodes_are_equal(conditions: duckdb.DuckDBPyConnection) -> None:
    """The reference keeps cells before and after the stay; so do we with a window that never ends."""
    with conditions.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE stay AS SELECT * REPLACE (TIMESTAMP '1900-01-01' AS window_start, "
            "TIMESTAMP '2900-01-01' AS window_end) FROM main.stay"
        )
        (event,) = (file for file in list_layers() if file.name == "ehr_event")
        cursor.execute(f"CREATE TEMP TABLE ehr_event AS {event.text.replace('main.', '')}")

        assert differences(cursor, CELL, REFERENCE_CELL) == (78_317, 0, 0)


@pytest.mark.parametrize(("task", "limit", "cells"), [("mortality", "48", 36_559), ("conditions", "24 * los", 77_690)])
def test_all_cells_of_the_window_are_equal(task: str, limit: str, cells: int, request: pytest.FixtureRequest) -> None:
    connection = request.getfixturevalue(task)
    theirs = f"""{REFERENCE_CELL} INNER JOIN ref_stays AS s USING (stay_id)
        WHERE r.hours > -1e-6 AND r.hours < {limit} + 1e-6"""

    assert differences(connection, CELL, theirs) == (cells, 0, 0)


def test_corrected_profile_finds_the_numbers_that_the_text_lacks(
    staging: Path, reference: Path, conditions: duckdb.DuckDBPyConnection
) -> None:
    cohort = phenotyping().cohort.model_copy(update={"profile": Profile.CORRECTED})
    corrected = tables(staging, reference, cohort)

    def glucose(connection: duckdb.DuckDBPyConnection) -> int:
        return connection.execute("SELECT count(*) FROM ehr_event WHERE variable = 'Glucose'").fetchone()[0]

    assert glucose(corrected) > glucose(conditions)
    assert corrected.execute("SELECT max(value) <= 45 FROM ehr_event WHERE variable = 'Temperature'").fetchone()[0]
    assert corrected.execute("SELECT count(DISTINCT race) <= 8 FROM stay").fetchone()[0]


@pytest.mark.parametrize(("rule", "added", "changed"), [("number_from_valuenum", 579, 0), ("numeric_maximum", 0, 48)])
def test_one_corrected_rule_changes_as_many_cells_as_the_specification_counts(
    rule: str, added: int, changed: int, staging: Path, reference: Path
) -> None:
    """579 cells come from valuenum and 48 have another maximum, over whole episodes."""
    config = apply_overrides(phenotyping(), {"cohort.corrections": [rule]})
    with tables(staging, reference, config.cohort) as connection:
        connection.execute("UPDATE stay SET window_start = '1900-01-01', window_end = '2900-01-01'")
        (event,) = (file for file in list_layers() if file.name == "ehr_event")
        build_tables(connection, [event], parameters=sql_parameters(config))

        found = connection.execute(f"""SELECT count(*) FILTER (r.stay_id IS NULL), count(*) FILTER (e.stay_id IS NULL),
            count(*) FILTER (e.value != r.value_num)
            FROM ({CELL}) AS e FULL JOIN ref_episodes_long AS r
            ON e.stay_id = r.stay_id AND e.hours_after_intime = r.hours AND e.variable = r.variable""").fetchone()

    assert found == (added, 0, changed)
