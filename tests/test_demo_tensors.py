"""Raw files of the open demo to tensors in one go, against what the published programs made of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medpatch.align.shard import write_shards
from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import in_hospital_mortality, phenotyping
from medpatch.contract.tensor import EHR_CHANNELS, EHR_COLUMNS, EHR_TYPE, EHR_VALUE_COLUMNS, MANIFEST
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw
from medpatch.extract.staging import build_staging

pytestmark = pytest.mark.timeout(240)


def of_measurements(config: PipelineConfig) -> PipelineConfig:
    modality = config.modality.model_copy(update={"modalities": (Modality.EHR,)})
    return config.model_copy(update={"modality": modality})


@pytest.fixture(scope="module")
def staging(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "staging"
    build_staging(find_raw(shared_dir / "data" / "mimic-iv-demo"), folder, inputs="demo")
    return folder


@pytest.mark.parametrize(
    ("config", "file", "steps"),
    [(in_hospital_mortality(), "ihm", 54 * 48), (phenotyping(), "pheno", 9_269)],
    ids=["mortality", "phenotyping"],
)
def test_tensors_and_labels_of_the_raw_demo_equal_the_published_ones(
    config: PipelineConfig, file: str, *, steps: int, shared_dir: Path, staging: Path, tmp_path: Path
) -> None:
    expected = np.load(shared_dir / "reference-demo" / f"tensors_{file}.npz")
    order = np.argsort(expected["stay_ids"])
    length = expected["lengths"] if "lengths" in expected else np.full(len(order), 48)
    first = np.cumsum(length) - length
    rows = np.concatenate([np.arange(first[i], first[i] + length[i]) for i in order])
    run = of_measurements(config)
    source = find_raw(shared_dir / "data" / "mimic-iv-demo")
    build_warehouse(source, run, out_dir=tmp_path / "tables", inputs="demo", staging_dir=staging)

    write_shards(tmp_path / "tables", None, config=run, out_dir=tmp_path / "tensors", inputs="demo")

    shards = (tmp_path / "tensors").rglob("*.parquet")
    found = pl.concat([pl.read_parquet(f) for f in shards if f.name != MANIFEST]).sort("stay_id")
    assert found["stay_id"].to_list() == expected["stay_ids"][order].tolist()
    assert found["label"].to_list() == expected["y"][order].tolist()
    values = np.frombuffer(b"".join(found["ehr"]), dtype=EHR_TYPE).reshape(-1, EHR_VALUE_COLUMNS)
    masks = np.frombuffer(b"".join(found["ehr_observed"]), dtype=bool).reshape(-1, EHR_CHANNELS)
    assert [len(grid) // (4 * EHR_VALUE_COLUMNS) for grid in found["ehr"]] == length[order].tolist()
    assert len(values) == steps
    np.testing.assert_allclose(
        np.hstack([values, masks]), expected["x"].reshape(-1, EHR_COLUMNS)[rows], rtol=1e-6, atol=1e-5
    )
