"""The SQL files in the order they run, and the rules that stand in for a scheduler."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from medpatch.config.error import ContractError
from medpatch.config.path import SQL_DIR
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.reject import REJECT

ROW_COUNT = "stg_row_count"
SPLIT_LIST = "split_list"
RELEASE_COUNT = "release_count"
_FOLDER = re.compile(r"(\d)_[a-z]+")
_HEADER = re.compile(r"((?:-- .+\n)+?)-- Grain:  (.+)\n-- Reads:  (.+)\.\n-- Params: (.+)\.\n(?!--)")
_PARAM = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class SqlFile:
    """One SQL file = one table.

    Attributes:
        path: the file; its stem is the table's name.
        layer: number of its folder.
        text: the query.
        grain: what one row is.
        reads: tables it reads.
        params: names it wants bound.
    """

    path: Path
    layer: int
    text: str
    grain: str
    reads: frozenset[str]
    params: frozenset[str]

    @property
    def name(self) -> str:
        """Table name."""
        return self.path.stem

    @property
    def is_staging(self) -> bool:
        """True if it reads a raw file, hence depends on the raw files alone."""
        return any(name.startswith("raw_") for name in self.reads)


def list_layers(sql_dir: Path = SQL_DIR) -> tuple[SqlFile, ...]:
    """All SQL files, by layer and name, each checked.

    Raises:
        ContractError: a file breaks a rule of sql/README.md; says which and how.
    """
    paths = sorted(sql_dir.glob("*/*.sql"), key=lambda p: (p.parent.name[0], p.stem))
    with duckdb.connect() as parser:
        files = tuple(read_sql_file(path, parser) for path in paths)
    layer_of = {file.name: file.layer for file in files}
    if len(layer_of) != len(files):
        raise ContractError(f"{sql_dir}: two SQL files have one stem; a stem names a table")
    layer_of |= {seed.stem: 0 for seed in (sql_dir / "seed").glob("*.csv")}
    layer_of |= {SPLIT_LIST: 0, RELEASE_COUNT: 0, ROW_COUNT: 1, REJECT: 1}
    for file in files:
        for read in sorted(file.reads):
            _check_read(file, read, layer_of=layer_of)
    return files


def read_sql_file(path: Path, parser: duckdb.DuckDBPyConnection) -> SqlFile:
    """One SQL file with its header compared with what DuckDB's parser finds in it.

    Raises:
        ContractError: no header of four parts, not one SELECT, a star, or a header that says something else.
    """
    text = path.read_text()
    folder, header = _FOLDER.fullmatch(path.parent.name), _HEADER.match(text)
    if folder is None:
        raise ContractError(f"{path}: folder is not named <digit>_<word>; the digit is the layer")
    if header is None:
        raise ContractError(
            f"{path}: header is not '-- what', '-- Grain:  …', '-- Reads:  a, b.', '-- Params: $x, ….'; add it"
        )
    tree = _parse(path, text, parser=parser)
    reads, params = _tables(tree), _parameters(text)
    said = frozenset(name.strip() for name in header.group(3).split(","))
    if said != reads:
        raise ContractError(f"{path}: header reads {sorted(said)}, the query reads {sorted(reads)}; correct the header")
    named = frozenset(_PARAM.findall(header.group(4)))
    if named != params:
        raise ContractError(
            f"{path}: header has params {sorted(named)}, the query {sorted(params)}; correct the header"
        )
    return SqlFile(path, int(folder.group(1)), text, header.group(2), reads, params)


def _check_read(file: SqlFile, read: str, *, layer_of: dict[str, int]) -> None:
    if read.removeprefix("raw_") in RAW_TABLES and read.startswith("raw_"):
        if file.layer != 1:
            raise ContractError(f"{file.path}: reads {read}; raw tables are read by 1_staging only")
    elif read not in layer_of:
        raise ContractError(f"{file.path}: reads {read}, which no SQL file, seed or raw table is; correct the name")
    elif layer_of[read] >= file.layer:
        raise ContractError(
            f"{file.path}: layer {file.layer} reads {read} of layer {layer_of[read]}; read lower layers only"
        )


def _parse(path: Path, text: str, *, parser: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    row = parser.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    tree = json.loads(row[0])
    if tree["error"] or len(tree["statements"]) != 1:
        problem = tree.get("error_message", f"{len(tree.get('statements', []))} statements")
        raise ContractError(f"{path}: not one SELECT ({problem}); a file is one SELECT")
    if any(_has_star(node) for node in _nodes(tree)):
        raise ContractError(f"{path}: has a star; list the columns")
    return tree


def _has_star(node: dict[str, Any]) -> bool:
    """True for a SELECT with a star; the parser itself writes one around VALUES."""
    if node.get("type") != "SELECT_NODE" or node["from_table"].get("type") == "EXPRESSION_LIST":
        return False
    return any(column.get("class") == "STAR" for column in node["select_list"])


def _tables(tree: dict[str, Any]) -> frozenset[str]:
    """Base tables of a query: names it takes from no CTE of its own."""
    nodes = list(_nodes(tree))
    ctes = {e["key"] for n in nodes if isinstance(n.get("cte_map"), dict) for e in n["cte_map"]["map"]}
    named = {n["table_name"] for n in nodes if n.get("type") == "BASE_TABLE"}
    return frozenset(named - ctes)


def _parameters(text: str) -> frozenset[str]:
    return frozenset(name for part in duckdb.extract_statements(text) for name in part.named_parameters)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    left = [tree]
    while left:
        branch = left.pop()
        if isinstance(branch, dict):
            yield branch
            left += branch.values()
        elif isinstance(branch, list):
            left += branch
