"""Statistics of the numeric channels."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medpatch.align.channel import read_channels
from medpatch.align.scaler import ScalerFit, load_scaler, moments, published_scaler, save_scaler
from medpatch.config.error import ContractError

NAMES = read_channels().numeric_names


def test_the_published_statistics_are_those_of_the_phenotyping_file(shared_dir: Path) -> None:
    facts = pl.read_csv(shared_dir / "facts" / "normalizer.csv").filter(pl.col("normalized") == 1)
    scaler = published_scaler(NAMES)
    assert list(scaler.names) == facts["column"].to_list()
    np.testing.assert_allclose(scaler.mean, facts["pheno_mean"])
    np.testing.assert_allclose(scaler.std, facts["pheno_std"])


def test_fitting_in_chunks_gives_mean_and_sample_deviation_of_all_rows() -> None:
    rows = np.random.default_rng(0).normal(1e6, 2.0, size=(300, 2))
    fit = ScalerFit(("a", "b"))
    for part in (rows[:7], rows[7:7], rows[7:200], rows[200:]):
        fit.add(moments(part))
    scaler = fit.finish()
    np.testing.assert_allclose(scaler.mean, rows.mean(axis=0))
    np.testing.assert_allclose(scaler.std, rows.std(axis=0, ddof=1), rtol=1e-9)


def test_a_channel_constant_in_train_is_centred_and_not_blown_up() -> None:
    fit = ScalerFit(("a",))
    fit.add(moments(np.full((1000, 1), 36.6)))
    fit.add(moments(np.full((10, 1), 36.6)))
    np.testing.assert_allclose(fit.finish().apply(np.array([[37.6]])), [[1.0]])


def test_fitting_on_nothing_is_refused() -> None:
    with pytest.raises(ContractError, match="at least 2 are needed"):
        ScalerFit(("a",)).finish()


def test_saved_statistics_read_back_the_same(tmp_path: Path) -> None:
    scaler = published_scaler(NAMES)
    save_scaler(scaler, tmp_path / "scaler.json")
    again = load_scaler(tmp_path / "scaler.json")
    assert again.names == scaler.names
    np.testing.assert_array_equal(again.mean, scaler.mean)
    np.testing.assert_array_equal(again.std, scaler.std)


def test_an_unreadable_scaler_is_refused_by_file(tmp_path: Path) -> None:
    (tmp_path / "scaler.json").write_text("{")
    with pytest.raises(ContractError, match=r"scaler\.json: not a readable scaler"):
        load_scaler(tmp_path / "scaler.json")
