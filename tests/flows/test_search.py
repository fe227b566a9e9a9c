"""A search over learning rates: nested runs, on validation alone, and folders that later runs use."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.search import search_dir, search_flow
from flows.start import start
from medpatch.config.preset import PresetName
from medpatch.config.search import SearchPart, search_range
from medpatch.train.result import read_result
from medpatch.train.search import read_search

QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "modality.modalities": ["ehr", "rr"],
}


def test_search_of_the_fusion_rate_trains_the_encoders_once_and_nests_its_runs(
    tree: Path, prefect_server: None, tmp_path: Path
) -> None:
    preset = PresetName.tiny_in_hospital_mortality
    ways = {"raw_dir": tree, "work_dir": tmp_path}
    folder = search_flow(preset, SearchPart.FUSION, trials=2, seeds=1, overrides=QUICK, **ways)
    run = start(preset, overrides=QUICK, **ways)
    low, high = search_range(run.config, SearchPart.FUSION)
    assert folder == search_dir(run, SearchPart.FUSION, low=low, high=high, seeds=1)
    assert len(list(tmp_path.glob("encoder-*"))) == 1
    assert not list(tmp_path.glob("run-*"))  # nothing is predicted, so the test split is not judged

    best = read_search(folder).best
    chosen = start(preset, overrides={**QUICK, "train.rate.fusion": best.learning_rate}, **ways)
    assert read_result(chosen.fusion_dir()).best["val_auroc"] == best.scores[0]

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    parent = {r.info.run_id: r.data.tags.get("mlflow.parentRunId") for r in runs}
    names = {r.info.run_name: r.info.run_id for r in runs}
    assert parent[parent[names["trial-1-seed-1002"]]] in parent
    assert parent[names["trial-1-seed-1002"]] == names["trial-1"]


def test_a_search_holds_the_gpu_while_it_trains(
    tree: Path, prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, trained = [False], []

    @contextmanager
    def slot(_: object) -> Iterator[bool]:
        held.append(True)
        yield True
        held.append(False)

    monkeypatch.setattr("flows.search.gpu_slot", slot)
    monkeypatch.setattr("flows.search.train_and_score", lambda *_, **__: trained.append(held[-1]) or 0.5)
    ways = {"raw_dir": tree, "work_dir": tmp_path}
    search_flow(PresetName.tiny_in_hospital_mortality, SearchPart.FUSION, trials=1, seeds=1, overrides=QUICK, **ways)
    assert trained == [True]
    assert held[-1] is False
