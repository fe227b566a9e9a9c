"""Every table against hand-written rows: case/<table>/<case>/{given.<input>.csv, params.json, expect.csv}.

An input that a case does not give is empty; a seed is the real one. params.json names parameters of sql/; its
"profile" stands for the corrections of that profile (none without it). Columns that a given file leaves out are
null; only the columns that expect.csv names are compared, rows in any order.
"""

import json
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from medpatch.config.override import apply_overrides
from medpatch.config.preset import in_hospital_mortality
from medpatch.extract.layer import RELEASE_COUNT, ROW_COUNT, SPLIT_LIST, SqlFile, list_layers
from medpatch.extract.parameter import sql_parameters
from medpatch.extract.register import literal, register_raw, register_seeds
from medpatch.extract.reject import REJECT, REJECT_SCHEMA
from medpatch.extract.release_count import RELEASE_COUNT_SCHEMA
from medpatch.extract.run import build_tables
from medpatch.extract.split_list import SPLIT_LIST_SCHEMA
from medpatch.extract.staging import ROW_COUNT_SCHEMA

CASE_DIR = Path(__file__).parent / "case"
FILES = {file.name: file for file in list_layers()}
DEFAULTS = sql_parameters(in_hospital_mortality())
OF_PROFILE = ("stg_extraction_rule", "stg_ehr_conversion")
FIRST_LAYER_WITH_CASES = 2


@pytest.fixture(scope="module")
def empty() -> duckdb.DuckDBPyConnection:
    """The whole pipeline on no rows: knows the columns and types of every table."""
    connection = duckdb.connect()
    register_seeds(connection)
    register_raw(connection, None)
    connection.register(SPLIT_LIST, SPLIT_LIST_SCHEMA.empty_table())
    connection.register(ROW_COUNT, ROW_COUNT_SCHEMA.empty_table())
    connection.register(REJECT, REJECT_SCHEMA.empty_table())
    connection.register(RELEASE_COUNT, RELEASE_COUNT_SCHEMA.empty_table())
    build_tables(connection, FILES.values(), parameters=DEFAULTS)
    return connection


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}


def typed_rows(file: Path, types: dict[str, str]) -> str:
    """A query for the rows of a CSV with these types; an empty field is null."""
    header = next(iter(file.read_text().splitlines())).split(",")
    lower = {name.lower(): kind for name, kind in types.items()}
    unknown = [name for name in header if name.lower() not in lower]
    assert not unknown, f"{file}: columns {unknown} are none of {list(types)}"
    columns = ", ".join(f'CAST("{name}" AS {lower[name.lower()]}) AS "{name}"' for name in header)
    texts = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    return (
        f"SELECT {columns} FROM read_csv({literal(file)}, header = true, auto_detect = false, delim = ',', "
        f"quote = '\"', nullstr = '', columns = {{{texts}}})"
    )


def give(connection: duckdb.DuckDBPyConnection, read: str, *, case: Path, types: dict[str, str]) -> None:
    """Put an input of the case into the database."""
    file = case / f"given.{read}.csv"
    if file.exists() or read not in seeds():
        connection.execute(f"DROP VIEW IF EXISTS {read}")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
        connection.execute(f"CREATE TABLE {read} ({columns})")
    if file.exists():
        connection.execute(f"INSERT INTO {read} BY NAME {typed_rows(file, types)}")


def seeds() -> set[str]:
    return {file.stem for file in (CASE_DIR.parents[2] / "sql" / "seed").glob("*.csv")}


def parameters_of(case: Path) -> dict[str, object]:
    given = json.loads((case / "params.json").read_text())
    config = apply_overrides(in_hospital_mortality(), {"cohort.profile": given.pop("profile", "published")})
    unknown = [name for name in given if name not in DEFAULTS]
    assert not unknown, f"{case}: {unknown} are no parameters of sql/"
    return sql_parameters(config) | given


def all_cases() -> list[Path]:
    return sorted(expect.parent for expect in CASE_DIR.glob("*/*/expect.csv"))


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.parent.name}-{case.name}")
def test_table_gives_the_expected_rows(case: Path, empty: duckdb.DuckDBPyConnection) -> None:
    file: SqlFile = FILES[case.parent.name]
    parameters = parameters_of(case)
    unknown = [p.name for p in case.glob("given.*") if p.suffixes[0].removeprefix(".") not in file.reads]
    assert not unknown, f"{case}: {unknown} are not read by {file.name}"
    with duckdb.connect() as connection:
        register_seeds(connection)
        for read in sorted(file.reads):
            if read in OF_PROFILE:
                build_tables(connection, [FILES[read]], parameters=parameters)
            else:
                give(connection, read, case=case, types=columns_of(empty, read))

        build_tables(connection, [file], parameters=parameters)

        types = columns_of(empty, file.name)
        header = (case / "expect.csv").read_text().splitlines()[0]
        found = connection.execute(f"SELECT {header} FROM {file.name}").fetchall()
        wanted = connection.execute(typed_rows(case / "expect.csv", types)).fetchall()
    assert Counter(found) == Counter(wanted)


def test_every_table_from_layer_two_up_has_a_case() -> None:
    wanted = {name for name, file in FILES.items() if file.layer >= FIRST_LAYER_WITH_CASES}

    assert wanted <= {case.parent.name for case in all_cases()}


def test_every_case_folder_names_a_table_and_is_whole() -> None:
    folders = [folder for folder in CASE_DIR.glob("*/*") if folder.is_dir()]

    incomplete = [f for f in folders if not (f / "expect.csv").exists() or not (f / "params.json").exists()]
    assert not incomplete
    assert {folder.parent.name for folder in folders} <= set(FILES)
