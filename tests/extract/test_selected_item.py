"""The items whose text answers decide how the published maximum compares: the whole published list."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from medpatch.config.override import apply_overrides
from medpatch.config.path import SQL_DIR
from medpatch.config.preset import preset
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw

from .conftest import EHR, write_ehr

OLDER_SYSTEM, OUTPUT, NOWHERE = 30001, 226559, 999999
"""Items of the list that no table of MIMIC-IV 2.2 charts as text, and an item of no list."""


def test_seed_is_the_published_list(shared_dir: Path) -> None:
    published = gzip.decompress((shared_dir / "facts" / "selected_itemids_all.csv.gz").read_bytes()).decode().split()

    assert (SQL_DIR / "seed" / "ehr_selected_itemid.csv").read_text().split() == published


def test_every_mapped_item_is_on_the_list() -> None:
    seed = SQL_DIR / "seed"
    listed = set(pl.read_csv(seed / "ehr_selected_itemid.csv")["itemid"])

    assert set(pl.read_csv(seed / "ehr_itemid.csv")["itemid"]) <= listed


@pytest.mark.parametrize(("itemid", "largest"), [(OLDER_SYSTEM, 99.0), (OUTPUT, 99.0), (NOWHERE, 101.0)])
def test_text_of_any_listed_item_makes_the_subjects_maximum_one_of_texts(
    tmp_path: Path, itemid: int, largest: float
) -> None:
    line = f"2,20,200,7,2110-01-02 05:00:00,,{itemid},sinus,,\n"
    raw = write_ehr(tmp_path / "raw", {"icu/chartevents": EHR["icu/chartevents"] + line})
    config = apply_overrides(preset("phenotyping"), {"modality.modalities": ("ehr",), "modality.text_arms": ()})

    build_warehouse(find_raw(raw), config, out_dir=tmp_path / "out", inputs="x")

    event = pl.read_parquet(tmp_path / "out" / "ehr_event.parquet").filter(stay_id=200, variable="Heart Rate")
    assert event["value"].to_list() == [largest]
