"""Mart tables as polars frames, a range of stays at a time."""

from pathlib import Path

import polars as pl

from medpatch.config.error import ContractError
from medpatch.contract.table import TABLES, warehouse_file


def scan_mart(warehouse_dir: Path, name: str) -> pl.LazyFrame:
    """A mart table, not yet read, with the columns of its contract.

    Raises:
        ContractError: the file is absent, not Parquet, or lacks a column.
    """
    file = warehouse_dir / warehouse_file(name)
    if not file.is_file():
        raise ContractError(f"{file}: mart table {name!r} is absent; run extract")
    try:
        frame = pl.scan_parquet(file, glob=False)
        present = frame.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise ContractError(f"{file}: not readable as Parquet; run extract again") from error
    missing = [column for column in TABLES[name].names if column not in present]
    if missing:
        raise ContractError(f"{file}: columns {missing} are missing, found {present}; look at sql/ for {name}")
    return frame.select(TABLES[name].names)


def read_stays(frame: pl.LazyFrame, stay_id: pl.Series) -> pl.DataFrame:
    """The rows of these stays.

    A range test comes first: Parquet row groups outside it are skipped, so a file sorted by stay_id is read
    about once over all chunks.
    """
    column = pl.col("stay_id")
    in_range = column.is_between(stay_id.min(), stay_id.max())
    return frame.filter(in_range).collect().filter(column.is_in(stay_id.implode()))


def read_stay_index(warehouse_dir: Path) -> pl.DataFrame:
    """The samples of the task, ordered by stay_id.

    Raises:
        ContractError: no row, a repeated stay_id, an unknown split, or a missing window length.
    """
    index = scan_mart(warehouse_dir, "stay_index").collect().sort("stay_id")
    where = "look at sql/6_mart/stay_index.sql"
    if index.is_empty():
        raise ContractError(f"stay_index: no stay is left to align; {where} and at cohort_attrition")
    repeated = index.filter(pl.col("stay_id").is_duplicated())
    if not repeated.is_empty():
        raise ContractError(
            f"stay_index: {repeated['stay_id'].n_unique()} stay_ids stand in several rows "
            f"(first stay_id {repeated['stay_id'][0]}), expected one row each; {where}"
        )
    strange = index.filter(~pl.col("split").is_in(["train", "val", "test"]).fill_null(value=False))
    if not strange.is_empty():
        raise ContractError(
            f"stay_index: {strange.height} of {index.height} stays have a split other than train, val, test "
            f"(first stay_id {strange['stay_id'][0]}); {where}"
        )
    unbounded = index.filter(pl.col("window_hours").is_null() | pl.col("window_hours").is_nan())
    if not unbounded.is_empty():
        raise ContractError(
            f"stay_index: {unbounded.height} of {index.height} stays have no window_hours "
            f"(first stay_id {unbounded['stay_id'][0]}); {where}"
        )
    return index
