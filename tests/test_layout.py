"""The layout holds: short files, one spelling of each list, SQL headers, no machine in the text."""

import ast
import csv
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from medpatch.config.name import PHENOTYPES
from medpatch.config.path import REPOSITORY_DIR, SQL_DIR
from medpatch.config.preset import in_hospital_mortality
from medpatch.contract.table import TABLES

CODE_DIRS = ("medpatch", "flows", "tests", "bench")
PACKAGE_DIRS = ("medpatch", "flows")
TEXT_SUFFIXES = {
    ".py",
    ".sql",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".csv",
    ".cfg",
    ".ini",
    ".sh",
    ".css",
    ".html",
}
LONGEST_PYTHON, LONGEST_SQL = 250, 80
LAYERS = ("1_staging", "2_eligibility", "3_cohort", "4_label", "5_modality", "6_mart")
MACHINE_PATH = re.compile(r"(?<![\w.:/<>{}*-])/(?:home|root|work|Users|tmp|var)/[\w.]")
COMMENT_OR_TEXT = re.compile(r"--[^\n]*|'(?:[^']|'')*'")


def python_files(*folders: str) -> list[Path]:
    return sorted(f for name in folders for f in (REPOSITORY_DIR / name).rglob("*.py"))


def sql_files() -> list[Path]:
    return sorted(SQL_DIR.rglob("*.sql"))


def short(file: Path) -> str:
    return str(file.relative_to(REPOSITORY_DIR))


def tracked_text() -> list[Path]:
    """Text files that belong to the project: those that git has or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project is unknown")
    files = (REPOSITORY_DIR / line for line in listed.stdout.splitlines())
    return [f for f in files if f.is_file() and (f.suffix in TEXT_SUFFIXES or f.name in ("Makefile", "run"))]


def parameters(file: Path) -> set[str]:
    """Names of the $parameters that a query uses, comments and text left out."""
    return set(re.findall(r"\$([a-z]\w*)", COMMENT_OR_TEXT.sub("", file.read_text(encoding="utf-8"))))


def seed_rows(name: str) -> list[dict[str, str]]:
    with (SQL_DIR / "seed" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_no_python_file_is_too_long() -> None:
    lengths = {short(f): len(f.read_text(encoding="utf-8").splitlines()) for f in python_files(*CODE_DIRS)}
    assert {name: n for name, n in lengths.items() if n > LONGEST_PYTHON} == {}


def test_no_query_is_too_long() -> None:
    lengths = {short(f): len(f.read_text(encoding="utf-8").splitlines()) for f in sql_files()}
    assert {name: n for name, n in lengths.items() if n > LONGEST_SQL} == {}


def test_every_query_says_what_it_makes_reads_and_needs() -> None:
    wanted = (r"-- [A-Z].*\.$", r"-- Grain:  \S", r"-- Reads:  \S", r"-- Params: \S")
    bare = [
        short(f)
        for f in sql_files()
        for head in [f.read_text(encoding="utf-8").splitlines()[:4]]
        if len(head) < 4 or not all(re.match(rule, line) for rule, line in zip(wanted, head, strict=True))
    ]
    assert bare == []


def test_the_header_of_a_query_names_its_parameters() -> None:
    wrong = {}
    for file in sql_files():
        header = file.read_text(encoding="utf-8").split("\nWITH", 1)[0].split("\nSELECT", 1)[0]
        params = next((line for line in header.splitlines() if line.startswith("-- Params:")), "")
        named, used = set(re.findall(r"\$([a-z]\w*)", params)), parameters(file)
        if named != used:
            wrong[short(file)] = {"header": sorted(named), "query": sorted(used)}
    assert wrong == {}


def test_no_query_selects_everything() -> None:
    star = re.compile(r"SELECT\s+(?:DISTINCT\s+)?\*", re.IGNORECASE)
    assert [short(f) for f in sql_files() if star.search(COMMENT_OR_TEXT.sub("", f.read_text("utf-8")))] == []


def test_the_linter_knows_exactly_the_parameters_of_the_queries() -> None:
    settings = ConfigParser()
    settings.read(REPOSITORY_DIR / ".sqlfluff")
    section = settings["sqlfluff:templater:placeholder"]
    used = set().union(*(parameters(f) for f in sql_files()))
    assert set(section) - {"param_style", "param_regex"} == used


def test_no_query_repeats_a_value_of_the_configuration() -> None:
    config = in_hospital_mortality()
    values = (config.cohort.window_hours, config.cohort.min_age_years, f"'{config.cohort.view_position}'")
    repeated = re.compile("|".join(rf"(?<![\w.']){value}(?![\w.'])" for value in values))
    bodies = {short(f): re.sub(r"--[^\n]*", "", f.read_text(encoding="utf-8")) for f in sql_files()}
    assert [name for name, body in bodies.items() if repeated.search(body)] == []


def test_every_table_that_python_reads_is_made_by_one_query() -> None:
    made = [f.stem for f in sql_files()]
    assert {name for name in TABLES if made.count(name) != 1} == set()


def test_the_layers_that_the_layout_names_are_there() -> None:
    assert [name for name in LAYERS if not any((SQL_DIR / name).glob("*.sql"))] == []


def test_every_table_from_layer_two_up_has_a_case() -> None:
    cases = REPOSITORY_DIR / "tests" / "sql" / "case"
    tables = [f.stem for f in sql_files() if int(f.parent.name[0]) >= 2]
    assert [table for table in tables if not any((cases / table).glob("*/"))] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    parts = {short(f): {*f.relative_to(REPOSITORY_DIR).with_suffix("").parts} for f in python_files(*CODE_DIRS)}
    assert [name for name, words in parts.items() if words & drawers] == []


def test_no_module_prints_or_imports_everything() -> None:
    found = []
    for file in python_files(*PACKAGE_DIRS):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            is_star = isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names)
            if is_print or is_star:
                found.append(f"{short(file)}:{node.lineno}")
    assert found == []


def test_no_module_pickles() -> None:
    pickles = {"pickle", "joblib", "dill", "cloudpickle"}
    found = []
    for file in python_files(*PACKAGE_DIRS):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if pickles & {name.split(".")[0] for name in names}:
                found.append(f"{short(file)}:{node.lineno}")
    assert found == []


def test_only_one_module_reads_the_environment() -> None:
    readers = [short(f) for f in python_files("medpatch") if re.search(r"os\.(?:environ|getenv)", f.read_text("utf-8"))]
    assert readers == ["medpatch/config/path.py"]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        short(f)
        for f in python_files(*PACKAGE_DIRS)
        if f.read_text(encoding="utf-8").strip() and not ast.get_docstring(ast.parse(f.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_text_names_a_place_on_one_machine() -> None:
    found = [
        f"{short(f)}:{number}"
        for f in tracked_text()
        if f != Path(__file__)
        for number, line in enumerate(f.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_reading_the_table_contract_loads_neither_torch_nor_a_database() -> None:
    code = (
        "import sys, medpatch.contract.table, medpatch.contract.tensor; "
        "sys.stdout.write(' '.join({'torch', 'duckdb', 'great_expectations', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_the_phenotypes_of_the_seed_are_those_of_the_configuration() -> None:
    assert tuple(sorted({row["phenotype"] for row in seed_rows("phenotype.csv")})) == PHENOTYPES


def test_the_channels_of_the_seed_fill_the_columns_of_the_tensor() -> None:
    from medpatch.contract.tensor import EHR_CHANNELS, EHR_VALUE_COLUMNS

    rows = seed_rows("ehr_variable.csv")
    widths = [len(r["possible_values"].split("|")) if r["is_categorical"] == "1" else 1 for r in rows]
    assert (len(rows), sum(widths)) == (EHR_CHANNELS, EHR_VALUE_COLUMNS)


def test_every_mapped_item_leads_to_a_channel() -> None:
    channels = {row["variable"] for row in seed_rows("ehr_variable.csv")}
    assert {row["variable"] for row in seed_rows("ehr_itemid.csv")} - channels == set()


def test_tests_mirror_the_package() -> None:
    stations = {p.name for p in (REPOSITORY_DIR / "medpatch").iterdir() if (p / "__init__.py").is_file()}
    tested = {p.name for p in (REPOSITORY_DIR / "tests").iterdir() if any(p.glob("test_*.py"))}
    assert stations - tested == set()
