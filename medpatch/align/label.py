"""The (K,) label vector of every stay."""

from pathlib import Path

import numpy as np
import polars as pl

from medpatch.align.mart import scan_mart
from medpatch.config.error import ContractError
from medpatch.config.name import Task, label_names


def read_labels(warehouse_dir: Path, task: Task, *, stay_id: np.ndarray) -> np.ndarray:
    """(n, K) int8 of zeros and ones, rows in the order of `stay_id`, columns in that of `label_names`.

    Raises:
        ContractError: a stay lacks a label, has one twice, or a label is not 0 or 1.
    """
    names = label_names(task)
    if task is Task.PHENOTYPING:
        table, rows = "label_phenotype", scan_mart(warehouse_dir, "label_phenotype").collect()
        column = rows["phenotype"].replace_strict(
            {name: k for k, name in enumerate(names)}, default=None, return_dtype=pl.Int64
        )
        rows = rows.with_columns(column.alias("column"))
        if rows["column"].has_nulls():
            raise ContractError(
                f"{table}: {rows['column'].null_count()} of {rows.height} rows name a phenotype that is not "
                f"among the {len(names)} of the task; look at sql/seed/phenotype.csv"
            )
    else:
        table = "label_in_hospital_mortality"
        rows = scan_mart(warehouse_dir, table).collect().with_columns(column=pl.lit(0, dtype=pl.Int64))
    rows = rows.filter(pl.col("stay_id").is_in(stay_id))
    _refuse_wrong_values(rows, table)
    labels = np.full((len(stay_id), len(names)), -1, dtype=np.int8)
    labels[np.searchsorted(stay_id, rows["stay_id"].to_numpy()), rows["column"].to_numpy()] = rows["label"]
    lacking = np.flatnonzero((labels < 0).any(axis=1))
    if len(lacking):
        raise ContractError(
            f"{table}: {len(lacking)} of {len(stay_id)} stays lack a label (first stay_id "
            f"{stay_id[lacking[0]]}), expected {len(names)} per stay; look at sql/4_label/{table}.sql"
        )
    return labels


def _refuse_wrong_values(rows: pl.DataFrame, table: str) -> None:
    wrong = rows.filter(~pl.col("label").is_in([0, 1]).fill_null(value=False))
    repeated = rows.filter(pl.struct("stay_id", "column").is_duplicated())
    for kind, found in (("a label other than 0 or 1", wrong), ("the same label twice", repeated)):
        if not found.is_empty():
            raise ContractError(
                f"{table}: {found['stay_id'].n_unique()} stays have {kind} (first stay_id "
                f"{found['stay_id'].min()}); look at sql/4_label/{table}.sql"
            )
