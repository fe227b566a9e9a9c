"""Run sql/ layer by layer on staged raw tables and write the mart."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from medpatch.config.code import EXTRACT_CODE
from medpatch.config.error import ContractError
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.artifact import fingerprint, writing
from medpatch.extract.connect import DEFAULT_MEMORY, scratch_database
from medpatch.extract.export import export_tables
from medpatch.extract.layer import RELEASE_COUNT, SPLIT_LIST, SqlFile, list_layers
from medpatch.extract.parameter import sql_parameters
from medpatch.extract.register import register_parquet, register_seeds
from medpatch.extract.release_count import name_differences, release_counts, release_table
from medpatch.extract.source import RawSource
from medpatch.extract.split_list import read_split_list
from medpatch.extract.staging import build_staging

__all__ = ["ExtractReport", "build_staging", "build_tables", "build_warehouse"]

logger = logging.getLogger(__name__)

READ_ONCE = frozenset({"ehr_value"})
"""Large tables with one reader: kept as views, so that their rows are never stored."""


@dataclass(frozen=True)
class Step:
    """Stays left after a criterion."""

    criterion: str
    stays_left: int
    stays_lost: int


@dataclass(frozen=True)
class Account:
    """Rows of a source that a rule let through."""

    source: str
    rule: str
    rows_in: int
    rows_kept: int


@dataclass(frozen=True)
class ExtractReport:
    """What an extraction produced; counts only.

    Attributes:
        samples: rows of stay_index.
        rows: table -> rows.
        attrition: criteria in their order.
        accounts: row accounting, per source in the order of its rules.
        differences: files whose rows differ in number from the release that their folder names.
    """

    samples: int
    rows: Mapping[str, int]
    attrition: tuple[Step, ...]
    accounts: tuple[Account, ...]
    differences: tuple[str, ...] = ()


def build_warehouse(
    source: RawSource,
    config: PipelineConfig,
    *,
    out_dir: Path,
    inputs: str,
    staging_dir: Path | None = None,
    memory_limit: str = DEFAULT_MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> ExtractReport:
    """Write <table>.parquet for every table of the contract and stay_criterion; whole or absent.

    Args:
        source: the raw data sets; read only without `staging_dir`.
        config: cohort, split and modality sections count.
        out_dir: folder to make.
        inputs: digest of what it is made from, kept in the folder's description.
        staging_dir: what `build_staging` made of these raw files; None = staged aside and thrown away.
        memory_limit: of DuckDB; more is spilled to disk beside `out_dir`.
        progress: told (SQL files done, SQL files).

    Raises:
        RawDataError: see `build_staging`.
        ConfigError: the split lists are absent or malformed.
        ContractError: the staging folder is not whole, or the cohort ends up empty.
    """
    if staging_dir is None:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=out_dir.parent) as aside:
            staged = Path(aside) / "staging"
            build_staging(source, staged, inputs=inputs, memory_limit=memory_limit)
            return build_warehouse(
                source,
                config,
                out_dir=out_dir,
                inputs=inputs,
                staging_dir=staged,
                memory_limit=memory_limit,
                progress=progress,
            )
    fingerprint(staging_dir)  # refuses a folder that is not whole
    split_list = read_split_list(config.split, source)
    counts = release_counts(source)
    files = [file for file in list_layers() if not file.is_staging]
    with (
        writing(out_dir, inputs=inputs, packages=EXTRACT_CODE) as folder,
        scratch_database(out_dir.parent, memory_limit=memory_limit) as connection,
    ):
        register_seeds(connection)
        register_parquet(connection, staging_dir)
        connection.register(SPLIT_LIST, split_list)
        connection.register(RELEASE_COUNT, release_table(counts))
        build_tables(connection, files, parameters=sql_parameters(config), progress=progress)
        report = _report(connection, export_tables(connection, folder, task=config.cohort.task))
        _refuse_empty(report)
    read = {account.source: account.rows_in for account in reversed(report.accounts)}
    return replace(report, differences=name_differences(source, read, counts=counts))


def build_tables(
    connection: duckdb.DuckDBPyConnection,
    files: Iterable[SqlFile],
    *,
    parameters: Mapping[str, object],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Create the table of each file, in the order given.

    Args:
        connection: knows every table that the files read and do not make.
        files: SQL files, lower layers first.
        parameters: name -> value; each file is given those it names.
        progress: told (files done, files).
    """
    files = list(files)
    for done, file in enumerate(files):
        if progress is not None:
            progress(done, len(files))
        kind = "VIEW" if file.name in READ_ONCE else "TABLE"
        connection.execute(
            f"CREATE OR REPLACE {kind} {file.name} AS {file.text}",
            {name: parameters[name] for name in file.params} or None,
        )
        logger.debug("built %s", file.name)
    if progress is not None:
        progress(len(files), len(files))


def _report(connection: duckdb.DuckDBPyConnection, rows: dict[str, int]) -> ExtractReport:
    attrition = connection.execute("SELECT criterion, stays_left, stays_lost FROM cohort_attrition").fetchall()
    accounts = connection.execute("SELECT source, rule, rows_in, rows_kept FROM row_account").fetchall()
    return ExtractReport(
        samples=rows["stay_index"],
        rows=rows,
        attrition=tuple(Step(*step) for step in attrition),
        accounts=tuple(Account(*account) for account in accounts),
    )


def _refuse_empty(report: ExtractReport) -> None:
    if report.samples > 0:
        return
    last = next(step for step in report.attrition if step.stays_left == 0)
    raise ContractError(
        f"stay_index: no stay is left; the criterion {last.criterion!r} removed the last {last.stays_lost} of "
        f"{report.attrition[0].stays_left} ICU stays; check the raw files and the cohort section of the configuration"
    )
