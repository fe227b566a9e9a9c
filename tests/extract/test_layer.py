"""The rules of sql/ are checked, by the parser that also runs it."""

import configparser
from pathlib import Path

import pytest

from medpatch.config.error import ContractError
from medpatch.config.path import REPOSITORY_DIR, SQL_DIR
from medpatch.config.preset import in_hospital_mortality
from medpatch.extract.layer import list_layers
from medpatch.extract.parameter import sql_parameters

HEADER = "-- What.\n-- Grain:  one row per stay_id.\n-- Reads:  {reads}.\n-- Params: {params}.\n"


def write(folder: Path, name: str, query: str, *, reads: str, params: str = "none") -> None:
    file = folder / f"{name}.sql"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HEADER.format(reads=reads, params=params) + query)


def test_layers_run_in_number_order() -> None:
    layers = [file.layer for file in list_layers()]

    assert layers == sorted(layers)
    assert len(layers) == len(list(SQL_DIR.glob("*/*.sql")))


def test_reads_are_found_behind_ctes_and_subqueries(tmp_path: Path) -> None:
    write(tmp_path, "1_staging/a", "SELECT subject_id FROM raw_patients", reads="raw_patients")
    write(tmp_path, "1_staging/b", "SELECT subject_id FROM raw_icustays", reads="raw_icustays")
    query = (
        "WITH c AS (SELECT subject_id FROM a)\nSELECT subject_id FROM c WHERE subject_id IN (SELECT subject_id FROM b)"
    )
    write(tmp_path, "2_cohort/d", query, reads="a, b")

    assert list_layers(tmp_path)[-1].reads == {"a", "b"}


@pytest.mark.parametrize(
    ("query", "reads", "params", "message"),
    [
        ("SELECT x FROM a; SELECT x FROM a", "a", "none", "not one SELECT"),
        ("DROP TABLE a", "a", "none", "not one SELECT"),
        ("SELECT * FROM a", "a", "none", "has a star"),
        ("SELECT x FROM a", "b", "none", r"header reads \['b'\], the query reads \['a'\]"),
        ("SELECT x FROM a WHERE x = $y", "a", "none", r"header has params \[\], the query \['y'\]"),
        ("SELECT x FROM a", "a", "$y, hours", r"header has params \['y'\], the query \[\]"),
        ("SELECT subject_id FROM raw_patients", "raw_patients", "none", "raw tables are read by 1_staging only"),
        ("SELECT x FROM other", "other", "none", "layer 2 reads other of layer 2; read lower layers only"),
        ("SELECT x FROM nowhere", "nowhere", "none", "nowhere, which no SQL file, seed or raw table is"),
    ],
)
def test_file_that_breaks_a_rule_is_refused(tmp_path: Path, query: str, reads: str, params: str, message: str) -> None:
    write(tmp_path, "1_staging/a", "SELECT subject_id AS x FROM raw_patients", reads="raw_patients")
    write(tmp_path, "2_cohort/other", "SELECT x FROM a", reads="a")
    write(tmp_path, "2_cohort/bad", query, reads=reads, params=params)

    with pytest.raises(ContractError, match=message):
        list_layers(tmp_path)


def test_file_without_the_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1_staging").mkdir()
    (tmp_path / "1_staging" / "a.sql").write_text("-- What.\nSELECT 1 AS x")

    with pytest.raises(ContractError, match=r"a\.sql: header is not"):
        list_layers(tmp_path)


def test_every_parameter_is_bound_and_none_is_left_over() -> None:
    wanted = {name for file in list_layers() for name in file.params}

    assert wanted == set(sql_parameters(in_hospital_mortality()))


def test_linter_has_a_sample_of_every_parameter() -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(REPOSITORY_DIR / ".sqlfluff")

    samples = set(settings["sqlfluff:templater:placeholder"]) - {"param_style"}

    assert samples == {name for file in list_layers() for name in file.params}


def test_no_query_is_longer_than_eighty_lines() -> None:
    assert [file.name for file in list_layers() if len(file.text.splitlines()) > 80] == []


def test_readme_lists_every_table_and_rule() -> None:
    text = (SQL_DIR / "README.md").read_text()
    rules = [line.split(",")[0] for line in (SQL_DIR / "seed" / "extraction_rule.csv").read_text().splitlines()[1:]]

    assert [f.name for f in list_layers() if f"| {f.name} |" not in text and f"| **{f.name}** |" not in text] == []
    assert [rule for rule in rules if f"| {rule} |" not in text] == []
