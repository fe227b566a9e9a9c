"""The whole DAG under the Prefect harness, on a made-up tree and on the open demo."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from flows.finished import RECORD
from flows.pipeline import full_pipeline
from flows.refresh import data_refresh, read_fingerprint
from flows.start import start
from flows.train import train
from medpatch.config.preset import PresetName
from medpatch.contract.lock import LOCK_DIR
from medpatch.evaluate.finished import read_metrics
from medpatch.track.run import open_tracking

QUICK = {
    "train.unimodal_epochs": 1,
    "train.confidence_epochs": 1,
    "train.fusion_epochs": 1,
    "evaluate.bootstrap_resamples": 20,
}


@pytest.fixture(scope="module")
def finished(tree: Path, prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Work folder and report folder of one quick mortality run."""
    work_dir = tmp_path_factory.mktemp("work")
    report = full_pipeline(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    return work_dir, report


def _written(work_dir: Path) -> dict[str, int]:
    """Every file of the outputs with its time; locks are none of them."""
    files = (p for p in sorted(work_dir.glob("*-*/**/*")) if p.is_file() and p.parent.name != LOCK_DIR)
    return {str(p.relative_to(work_dir)): p.stat().st_mtime_ns for p in files}


def test_run_leaves_pictures_and_metrics(finished: tuple[Path, Path]) -> None:
    _, report = finished
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics
    assert len(list(report.rglob("*.png"))) >= 4


def test_every_test_stay_has_one_medpatch_prediction(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, _ = finished
    run = start(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    predictions = pl.read_parquet(run.prediction_dir / "predictions.parquet")
    ours = predictions.filter((pl.col("model") == "medpatch") & (pl.col("split") == "test"))
    expected = pl.read_parquet(run.warehouse_dir / "stay_index.parquet").filter(pl.col("split") == "test")
    assert sorted(ours["stay_id"]) == sorted(expected["stay_id"])


def test_second_run_writes_nothing(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, report = finished
    before = _written(work_dir)
    again = full_pipeline(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    assert again == report
    assert _written(work_dir) == before


def _client(work_dir: Path):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{work_dir / 'mlflow.db'}")


def _tracked(work_dir: Path) -> list:
    client = _client(work_dir)
    return list(client.search_runs([e.experiment_id for e in client.search_experiments()]))


def _children(work_dir: Path) -> list[str]:
    return [r.data.tags["model"] for r in _tracked(work_dir) if "mlflow.parentRunId" in r.data.tags]


def test_mlflow_shows_the_finished_parent_its_pictures_and_one_child_per_model(finished: tuple[Path, Path]) -> None:
    work_dir, report = finished
    client, runs = _client(work_dir), _tracked(work_dir)
    (parent,) = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["test/auroc"] == read_metrics(report)["medpatch"]["test/auroc"]
    pictures = [f.path for f in client.list_artifacts(parent.info.run_id, "report/figure") if f.path.endswith(".png")]
    assert len(pictures) >= 4
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {"medpatch", "early", "late", "unimodal_ehr", "confidence_ehr"} <= {r.data.tags["model"] for r in children}
    assert {r.info.status for r in children} == {"FINISHED"}


def test_training_again_with_nothing_changed_opens_no_mlflow_run(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, _ = finished
    before = len(_tracked(work_dir))
    train(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    assert len(_tracked(work_dir)) == before


def test_training_alone_is_remembered_without_a_report(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, _ = finished
    overrides = {**QUICK, "evaluate.bootstrap_resamples": 21}  # another run of the same models
    opened: list[int] = []
    for _ in range(2):
        train(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=overrides)
        opened.append(len(_tracked(work_dir)))
    assert opened[1] == opened[0]


def test_a_changed_fusion_option_trains_fusion_alone(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, _ = finished
    before = _written(work_dir)
    overrides = {**QUICK, "model.fusion.use_missingness": False}
    full_pipeline(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=overrides)
    after = _written(work_dir)
    assert {name: after[name] for name in before} == before
    new = {"/".join(Path(name).parts[:2]) for name in set(after) - set(before)}
    assert [name.split("/")[1].split("-")[0] for name in new if not name.startswith("run-")] == ["medpatch"]


def test_another_threshold_trains_no_encoder_and_no_rival(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, _ = finished
    before = _written(work_dir)
    overrides = {**QUICK, "model.fusion.high_share": 0.5}
    full_pipeline(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=overrides)
    new = {Path(name).parts[1].split("-")[0] for name in set(_written(work_dir)) - set(before) if name[:4] != "run-"}
    assert new == {"confidence", "pool", "medpatch"}


def test_a_run_goes_on_when_its_caches_were_deleted(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, report = finished
    for cache in [*work_dir.glob("encoder-*/feature-*"), *work_dir.glob("encoder-*/pool-*")]:
        shutil.rmtree(cache)
    before = _written(work_dir)
    again = full_pipeline(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    assert again == report
    assert _written(work_dir) == before  # nothing asked for them
    overrides = {**QUICK, "evaluate.rivals": ["early", "availability", "boosted_trees", "ensemble"]}
    report = full_pipeline(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=overrides)
    models = read_metrics(report)
    assert {"early", "availability", "boosted_trees", "ensemble", "medpatch"} <= set(models)
    assert {"early", "availability", "boosted_trees"} <= set(_children(work_dir))


def test_other_training_seed_reuses_the_tensors(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, report = finished
    first = start(PresetName.tiny_in_hospital_mortality, raw_dir=tree, work_dir=work_dir, overrides=QUICK)
    other = start(
        PresetName.tiny_in_hospital_mortality,
        raw_dir=tree,
        work_dir=work_dir,
        overrides={**QUICK, "train.seed": 9},
    )
    assert first.tensor_dir == other.tensor_dir
    assert first.run_dir != other.run_dir
    assert report.is_relative_to(first.run_dir)


def test_refresh_of_unchanged_files_says_so(finished: tuple[Path, Path], tree: Path) -> None:
    work_dir, _ = finished
    preset, places = PresetName.tiny_in_hospital_mortality, {"raw_dir": tree, "work_dir": work_dir}
    run = start(preset, **places, overrides=QUICK)
    record = {"preset": preset, "fingerprint": read_fingerprint(run), "report": ""}
    (work_dir / "refresh_history.jsonl").write_text(json.dumps(record) + "\n")
    state = data_refresh(preset, **places, overrides=QUICK, return_state=True)
    assert state.is_completed()
    assert "nothing to do" in state.message


@pytest.mark.parametrize("lost", ["report", "code"])
def test_refresh_works_again_where_the_report_is_gone_or_the_code_another(
    finished: tuple[Path, Path], tree: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    work_dir, report = finished
    preset, places = PresetName.tiny_in_hospital_mortality, {"raw_dir": tree, "work_dir": work_dir}
    run = start(preset, **places, overrides=QUICK)
    record = {"preset": preset, "fingerprint": read_fingerprint(run), "report": ""}
    (work_dir / "refresh_history.jsonl").write_text(json.dumps(record) + "\n")
    asked = []
    monkeypatch.setattr("flows.refresh.report_steps", lambda run, _: asked.append(run.report_dir) or run.report_dir)
    aside = report.with_name("report-aside")
    if lost == "report":
        report.rename(aside)
    else:
        monkeypatch.setattr("flows.finished.code_digest", lambda packages: "upgraded")
    try:
        data_refresh(preset, **places, overrides=QUICK)
    finally:
        if lost == "report":
            aside.rename(report)
    assert asked == [report]


def test_image_replaced_while_a_refresh_works_is_a_change_for_the_next(
    finished: tuple[Path, Path], tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_dir, report = finished
    preset, places = PresetName.tiny_in_hospital_mortality, {"raw_dir": tree, "work_dir": work_dir}
    images, worked = ["first"], []

    def replace_an_image(*_: object) -> Path:
        worked.append(images[-1])
        images.append("replaced")
        return report

    (work_dir / "refresh_history.jsonl").write_text("")
    monkeypatch.setattr("flows.refresh.image_fingerprint", lambda *_: images[-1])
    monkeypatch.setattr("flows.refresh.report_steps", replace_an_image)
    for _ in range(3):
        state = data_refresh(preset, **places, overrides=QUICK, return_state=True)
    assert worked == ["first", "replaced"]
    assert "nothing to do" in state.message


@pytest.mark.parametrize(
    ("preset", "samples"),
    [(PresetName.tiny_in_hospital_mortality, 54), (PresetName.tiny_phenotyping, 112)],
)
def test_open_demo_with_overlay_ends_evaluated(
    shared_dir: Path,
    prefect_server: None,
    tmp_path_factory: pytest.TempPathFactory,
    preset: PresetName,
    samples: int,
) -> None:
    from medpatch.synthetic.overlay import write_overlay

    work_dir = tmp_path_factory.getbasetemp() / "open-demo"
    raw_dir = work_dir / "raw"
    if not raw_dir.exists():
        work_dir.mkdir(exist_ok=True)
        write_overlay(
            shared_dir / "data" / "mimic-iv-demo", raw_dir, seed=1, image_dir=shared_dir / "data" / "cxr-open"
        )
    report = full_pipeline(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=QUICK)
    run = start(preset, raw_dir=raw_dir, work_dir=work_dir, overrides=QUICK)
    assert pl.read_parquet(run.warehouse_dir / "stay.parquet").height == 112
    assert pl.read_parquet(run.warehouse_dir / "stay_index.parquet").height == samples
    assert "made up" in (report / "report.md").read_text()
    found = open_tracking(run.paths).client().get_run(json.loads((run.run_dir / RECORD).read_text())["run_id"])
    assert found.info.status == "FINISHED"
    assert "test/auroc" in found.data.metrics
