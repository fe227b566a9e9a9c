"""The `published` profile on messy made-up tables, against the rules restated in plain Python."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest

from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import in_hospital_mortality, phenotyping
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw

from . import restatement
from .conftest import write_gz
from .messy import FOLDER, HEADERS, messy_tables

SEEDS = (0, 6, 22)


def write_tables(tables: restatement.Tables, folder: Path) -> Path:
    for name, rows in tables.items():
        text = io.StringIO()
        writer = csv.DictWriter(text, HEADERS[name].split(","), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_gz(folder / FOLDER[name] / f"{name}.csv.gz", text.getvalue())
    return folder


def extracted(tables: restatement.Tables, config: PipelineConfig, folder: Path) -> dict[str, pl.DataFrame]:
    build_warehouse(find_raw(write_tables(tables, folder / "raw")), config, out_dir=folder / "out", inputs="messy")
    return {file.stem: pl.read_parquet(file) for file in (folder / "out").glob("*.parquet")}


def found_cells(event: pl.DataFrame, stay_ids: set[int]) -> dict[tuple[int, float, str], float | str]:
    rows = event.filter(pl.col("stay_id").is_in(stay_ids)).iter_rows()
    return {(stay, hours, name): text if value is None else value for stay, hours, name, value, text in rows}


def rounded(value: float | str) -> float | str:
    return value if isinstance(value, str) else round(value, 9)


@pytest.mark.parametrize("config", [in_hospital_mortality(), phenotyping()], ids=["mortality", "phenotyping"])
@pytest.mark.parametrize("seed", SEEDS)
def test_stays_labels_and_cells_are_those_of_the_rules(seed: int, config: PipelineConfig, tmp_path: Path) -> None:
    tables = messy_tables(seed)
    stays = restatement.cohort(tables)
    samples = restatement.samples(stays, tables, restatement.cells(tables, stays), hours=config.cohort.window_hours)
    wanted_cells = {(int(s), *key): value for s, cells in samples.items() for key, value in cells.items()}

    found = extracted(tables, config, tmp_path)

    stay = found["stay"].select("stay_id", "in_hospital_mortality").rows()
    assert sorted(stay) == sorted((int(s.stay_id), s.died) for s in stays)
    index = set(found["stay_index"]["stay_id"])
    assert index == {int(s) for s in samples}
    cells = found_cells(found["ehr_event"], index)
    assert {key: rounded(value) for key, value in cells.items()} == {k: rounded(v) for k, v in wanted_cells.items()}
    of_sample = [s for s in stays if s.stay_id in samples]
    if config.cohort.window_hours is not None:
        label = found["label_in_hospital_mortality"].rows()
        assert sorted(label) == sorted((int(s.stay_id), int(s.died)) for s in of_sample)
    else:
        positive = found["label_phenotype"].filter(pl.col("label") == 1).select("stay_id", "phenotype").rows()
        wanted = [
            (int(s.stay_id), name)
            for s in of_sample
            for name in restatement.phenotypes(restatement.diagnosis_codes(tables, s))
        ]
        assert sorted(positive) == sorted(wanted)
        assert found["label_phenotype"].height == 25 * len(of_sample)


def test_messy_tables_hold_subjects_with_and_without_text_and_every_reason_to_drop() -> None:
    tables = [messy_tables(seed) for seed in SEEDS]
    found = [restatement.cells(t, restatement.cohort(t)) for t in tables]

    values = {v for cells in found for stay in cells.values() for v in stay.values()}
    hours = {key[0] for cells in found for stay in cells.values() for key in stay}
    assert {0.0, 48.0} <= hours
    assert min(hours) < 0
    assert "None" in values
    assert any(isinstance(v, float) and v < 0 for v in values)
