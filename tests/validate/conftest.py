"""A made-up warehouse on disk: clean, or with some rows spoiled."""

from collections.abc import Callable
from pathlib import Path

import pytest
from expectations.plant import Plant, both
from expectations.world import Tables, warehouse


@pytest.fixture(scope="session")
def clean_tables() -> Tables:
    """Tables in which every expectation holds."""
    return warehouse()


@pytest.fixture
def write_warehouse(tmp_path: Path, clean_tables: Tables) -> Callable[..., Path]:
    """Writes the tables, spoiled as told, and returns their folder."""

    def write(*plants: Plant) -> Path:
        folder = tmp_path / "1_warehouse"
        folder.mkdir()
        for name, frame in both(*plants)(clean_tables).items():
            frame.write_parquet(folder / f"{name}.parquet")
        return folder

    return write
