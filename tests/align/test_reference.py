"""The published tensors of the open demo, from its published time-series cells."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medpatch.align.channel import CHANNEL_SEED, read_channels
from medpatch.align.ehr import EhrGrid, bin_events, encode_events, value_columns
from medpatch.align.scaler import Scaler, published_scaler
from medpatch.config.error import ContractError

LAYOUT = read_channels()


def bins_of(shared_dir: Path, stay_id: np.ndarray, end_hours: np.ndarray) -> EhrGrid:
    cells = pl.read_parquet(shared_dir / "reference-demo" / "episodes_long.parquet")
    is_text = pl.col("variable").is_in([c.name for c in LAYOUT.channels if c.is_categorical])
    events = cells.filter(pl.col("stay_id").is_in(stay_id)).select(
        "stay_id",
        pl.col("hours").alias("hours_after_intime"),
        "variable",
        pl.when(is_text).then(None).otherwise(pl.col("value_num")).alias("value"),
        pl.when(is_text).then(pl.col("value")).alias("value_text"),
    )
    return bin_events(encode_events(events, LAYOUT), stay_id, end_hours=end_hours, layout=LAYOUT, timestep_hours=1.0)


def assert_published(grid: EhrGrid, raw: np.ndarray, scaled: np.ndarray, statistics: str) -> None:
    names = LAYOUT.numeric_names
    unscaled = Scaler("none", names, np.zeros(len(names)), np.ones(len(names)))
    for scaler, expected in ((unscaled, raw), (published_scaler(names, statistics), scaled)):
        found = np.hstack([value_columns(grid, LAYOUT, scaler=scaler), grid.observed])
        np.testing.assert_allclose(found, expected.reshape(-1, 76), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("statistics", "key"), [("pheno", "x"), ("ihm", "x_ihm_norm")])
def test_mortality_tensors_of_the_demo_equal_the_published_ones(shared_dir: Path, statistics: str, key: str) -> None:
    expected = np.load(shared_dir / "reference-demo" / "tensors_ihm.npz")
    order = np.argsort(expected["stay_ids"])
    stay_id = expected["stay_ids"][order]
    grid = bins_of(shared_dir, stay_id, np.full(len(stay_id), 48.0))
    assert_published(grid, expected["x_raw"][order], expected[key][order], statistics)


@pytest.mark.parametrize(("statistics", "key"), [("pheno", "x"), ("ihm", "x_ihm_norm")])
def test_phenotyping_tensors_of_the_demo_equal_the_published_ones(shared_dir: Path, statistics: str, key: str) -> None:
    expected = np.load(shared_dir / "reference-demo" / "tensors_pheno.npz")
    ends = pl.read_parquet(shared_dir / "reference-demo" / "pheno_labels.parquet").sort("stay_id")
    order = np.argsort(expected["stay_ids"])
    first = np.cumsum(expected["lengths"]) - expected["lengths"]
    rows = np.concatenate([np.arange(first[i], first[i] + expected["lengths"][i]) for i in order])
    grid = bins_of(shared_dir, ends["stay_id"].to_numpy(), ends["period_length"].to_numpy())
    np.testing.assert_array_equal(np.diff(grid.offset), expected["lengths"][order])
    assert_published(grid, expected["x_raw"][rows], expected[key][rows], statistics)


def test_the_76_columns_have_the_published_names_and_order(shared_dir: Path) -> None:
    expected = pl.read_csv(shared_dir / "facts" / "columns76.csv")["name"].to_list()
    assert list(LAYOUT.column_names) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [("7,Glucose,", "9,Glucose,"), ("0.0|1.0", "1.0|0.0"), (",pH,", ",acidity,")],
    ids=["order", "answers", "name"],
)
def test_columns_in_another_order_or_of_other_names_are_refused(tmp_path: Path, old: str, new: str) -> None:
    seed = CHANNEL_SEED.read_text(encoding="utf-8")
    (tmp_path / "seed.csv").write_text(seed, encoding="utf-8")
    assert read_channels(tmp_path / "seed.csv") == LAYOUT
    (tmp_path / "seed.csv").write_text(seed.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ContractError, match="other names or another order"):
        read_channels(tmp_path / "seed.csv")
