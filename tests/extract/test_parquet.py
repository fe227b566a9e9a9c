"""Raw tables as Parquet, written by other programs than ours."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import EHR, write_ehr, write_gz
from .test_staging import rows, stage

NAN = float("nan")


def write_with(raw: Path, name: str, changes: dict[str, pa.Array]) -> None:
    """A table as pyarrow writes it, with some columns replaced."""
    text = write_gz(raw.parent / "elsewhere.csv.gz", EHR[name])
    (raw / name).parent.mkdir(exist_ok=True)
    table = duckdb.sql(f"FROM read_csv('{text}')").to_arrow_table()
    for column, values in changes.items():
        table = table.set_column(table.schema.get_field_index(column), column, values)
    pq.write_table(table, raw / f"{name}.parquet")


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()], ids=str)
def test_nan_beside_numbers_is_no_value_in_columns_of_every_kind(tmp_path: Path, kind: pa.DataType) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/chartevents": None, "icu/icustays": None})
    admissions, numbers = [10.0, 10.0, NAN, 20.0, 20.0, 30.0], [88.0, 1.5, NAN, 101.0, 99.0, 70.0]
    write_with(
        raw,
        "icu/chartevents",
        {
            "hadm_id": pa.array(admissions, kind),
            "value": pa.array(numbers, kind),
            "valuenum": pa.array(numbers, kind),
        },
    )
    write_with(raw, "icu/icustays", {"los": pa.array([3.0, NAN, 3.0], kind)})

    folder = stage(raw, tmp_path / "work")

    found = rows(folder, "stg_chartevents", "hadm_id, value, valuenum")
    assert found[0] == (10, "88.0", 88.0)
    assert found[2] == (None, None, None)
    assert rows(folder, "stg_icustays", "los_days") == [(3.0,), (None,), (3.0,)]


def test_infinite_number_beside_nan_stays(tmp_path: Path) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/chartevents": None})
    numbers = pa.array([float("inf"), 1.0, NAN, 101.0, 99.0, float("-inf")])
    write_with(raw, "icu/chartevents", {"valuenum": numbers})

    found = rows(stage(raw, tmp_path / "work"), "stg_chartevents", "valuenum")

    assert found == [(float("inf"),), (1.0,), (None,), (101.0,), (99.0,), (float("-inf"),)]
