"""Parquet artefacts opened for judging: present, readable, and of the contract's columns and types."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from medpatch.config.error import ConfigError, ContractError
from medpatch.config.path import SQL_DIR
from medpatch.contract.table import TABLES, warehouse_file

CHANNEL_SEED = SQL_DIR / "seed" / "ehr_variable.csv"
CHANNEL_COLUMNS = ("variable", "is_categorical", "possible_values", "plausible_low", "plausible_high")


def open_parquet(file: Path, schema: pa.Schema) -> pl.LazyFrame:
    """A lazy scan of a file whose columns and types were compared with its contract.

    Raises:
        ContractError: the file is absent or unreadable, or a column is absent or of another type.
    """
    try:
        found = pq.read_schema(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise ContractError(
            f"{file.name}: absent or not readable as Parquet in {file.parent.name}/; run the step that writes it"
        ) from error
    for field in schema:
        if field.name not in found.names:
            raise ContractError(
                f"{file.name}: column {field.name} is absent, found {found.names}; look at the step that writes it"
            )
        kind = found.field(field.name).type
        if _plain(kind) != _plain(field.type):
            raise ContractError(
                f"{file.name}: column {field.name} is {kind}, expected {field.type}; cast it in the step that writes it"
            )
    return pl.scan_parquet(file).select(schema.names)


def open_table(warehouse_dir: Path, name: str) -> pl.LazyFrame:
    """A mart table of the warehouse folder, columns and types compared with the contract.

    Raises:
        ContractError: see `open_parquet`.
    """
    return open_parquet(warehouse_dir / warehouse_file(name), TABLES[name])


def has_table(warehouse_dir: Path, name: str) -> bool:
    """True if the warehouse folder has that table's file."""
    return (warehouse_dir / warehouse_file(name)).is_file()


def read_channels(seed_file: Path = CHANNEL_SEED) -> pl.DataFrame:
    """The EHR channels: variable, is_text, answers, plausible_low, plausible_high (null = no limit).

    Raises:
        ConfigError: the seed file is absent or lacks a column.
    """
    try:
        seed = pl.read_csv(seed_file, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"sql/seed/{seed_file.name}: not readable ({error}); restore it") from error
    absent = sorted(set(CHANNEL_COLUMNS) - set(seed.columns))
    if absent:
        raise ConfigError(f"sql/seed/{seed_file.name}: columns {absent} are absent, found {seed.columns}")
    return seed.select(
        "variable",
        (pl.col("is_categorical") == "1").alias("is_text"),
        pl.col("possible_values").str.split("|").alias("answers"),
        pl.col("plausible_low").cast(pl.Float64),
        pl.col("plausible_high").cast(pl.Float64),
    )


def _plain(kind: pa.DataType) -> str:
    """Types that differ only in storage compare equal: offsets of text, unit of a timestamp, enum coding."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamp with time zone"
    return str(kind)
