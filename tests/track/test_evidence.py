"""Environment, row accounts, gates and the machine's load reach the run; models reach the registry."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from medpatch.config.path import REPOSITORY_DIR
from medpatch.config.preset import phenotyping, tiny_in_hospital_mortality
from medpatch.track.evidence import log_accounting, log_environment, log_gates, system_metrics
from medpatch.track.find import run_page, table_page
from medpatch.track.registry import CHAMPION, register_model
from medpatch.track.run import TrackedRun, Tracking, parent_run, run_name


@pytest.fixture
def run(tracking: Tracking) -> Iterator[TrackedRun]:
    with parent_run(tracking, tiny_in_hospital_mortality(), preset="tiny", data_digest="d1") as opened:
        yield opened


def _artifact(run: TrackedRun, path: str, place: Path) -> str:
    return Path(run.tracking.client().download_artifacts(run.run_id, path, str(place))).read_text()


def test_the_lock_file_and_what_is_installed_are_kept(run: TrackedRun, tmp_path: Path) -> None:
    log_environment(run)
    lock = _artifact(run, "environment/requirements.lock", tmp_path)
    assert lock == (REPOSITORY_DIR / "requirements.lock").read_text()
    assert "mlflow==" in _artifact(run, "environment/installed.txt", tmp_path)


def test_tables_of_counts_become_csv_files(run: TrackedRun, tmp_path: Path) -> None:
    log_accounting(run, {"row_account": [{"rule": "no stay", "rows_in": 5, "rows_kept": 3}], "empty": []})
    assert _artifact(run, "accounting/row_account.csv", tmp_path).split() == [
        "rule,rows_in,rows_kept",
        "no",
        "stay,5,3",
    ]


def test_gates_are_counted_and_tagged(run: TrackedRun, tmp_path: Path) -> None:
    folder = tmp_path / "2_tensor_gate"
    folder.mkdir()
    outcomes = [{"is_met": False, "severity": "warning"}, {"is_met": True, "severity": "critical"}]
    (folder / "gate.json").write_text(json.dumps({"suites": [{"expectations": outcomes}]}))
    log_gates(run, [folder, tmp_path / "absent"])
    data = run.tracking.client().get_run(run.run_id).data
    assert {k: v for k, v in data.metrics.items() if k.startswith("gate/")} == {
        "gate/expectations": 2,
        "gate/failed": 0,
        "gate/warnings": 1,
    }
    assert data.tags["gate.2_tensor_gate"] == "passed, warned"


def test_gates_without_counts_leave_the_charts_to_the_results(run: TrackedRun, tmp_path: Path) -> None:
    folder = tmp_path / "1_warehouse_gate"
    folder.mkdir()
    (folder / "gate.json").write_text(json.dumps({"suites": []}))
    log_gates(run, [folder], with_counts=False)
    data = run.tracking.client().get_run(run.run_id).data
    assert (data.tags["gate.1_warehouse_gate"], data.metrics) == ("passed", {})


def test_the_load_of_the_machine_is_recorded(run: TrackedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medpatch.track.evidence.SAMPLE_SECONDS", 0.05)
    client, deadline = run.tracking.client(), time.monotonic() + 30
    with system_metrics(run):
        while not client.get_run(run.run_id).data.metrics and time.monotonic() < deadline:
            time.sleep(0.05)
    assert "system/cpu_utilization_percentage" in client.get_run(run.run_id).data.metrics


def test_the_load_of_a_gpu_is_recorded_where_its_library_is_there(
    run: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.system_metrics.metrics import gpu_monitor

    library = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=3.0e9, total=4.0e9),
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=87),
        nvmlDeviceGetPowerUsage=lambda handle: 150_000,
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: 300_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(gpu_monitor, "pynvml", library, raising=False)
    monkeypatch.setattr("medpatch.track.evidence.SAMPLE_SECONDS", 0.05)
    client, deadline, wanted = run.tracking.client(), time.monotonic() + 30, "system/gpu_0_utilization_percentage"
    with system_metrics(run):
        while wanted not in client.get_run(run.run_id).data.metrics and time.monotonic() < deadline:
            time.sleep(0.05)
    metrics = client.get_run(run.run_id).data.metrics
    assert (metrics[wanted], metrics["system/gpu_0_memory_usage_percentage"]) == (87, 75)


def test_a_gpu_whose_library_is_absent_is_said_to_go_unrecorded(
    run: TrackedRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with caplog.at_level("WARNING", logger="medpatch"), system_metrics(run):
        pass
    assert "pip install nvidia-ml-py" in caplog.text


def test_run_names_leave_out_the_task_and_tell_sizes_and_seeds_apart() -> None:
    config = phenotyping()
    ending = f"{config.digest()[:4]}/cbfe s{config.train.seed}"
    assert run_name("tiny_phenotyping", config, data_digest="cbfe9b66852b") == f"tiny {ending}"
    assert run_name("phenotyping", config, data_digest="cbfe9b66852b") == f"full {ending}"


def test_the_page_of_a_run_is_on_the_server_there_is() -> None:
    run = TrackedRun(Tracking("sqlite:///x.db", None), "r1", "7", {})
    assert run_page(run, server=None) is None
    assert run_page(run, server="http://127.0.0.1:5000") == (
        "http://127.0.0.1:5000/#/experiments/7/runs/r1?workflowType=machine_learning"
    )
    assert table_page(run, server="http://127.0.0.1:5000/") == (
        "http://127.0.0.1:5000/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=medpatch"
    )
    remote = TrackedRun(Tracking("https://tracking.example/", None), "r1", "7", {})
    assert run_page(remote, server=None) == (
        "https://tracking.example/#/experiments/7/runs/r1?workflowType=machine_learning"
    )


def _save(folder: Path, model_id: str) -> None:
    folder.mkdir()
    (folder / "MLmodel").write_text(f"model_id: {model_id}\n")


def _register(tracking: Tracking, name: str, score: float | None, data: str = "d1") -> bool:
    with parent_run(tracking, tiny_in_hospital_mortality(), preset="tiny", data_digest=data) as run:
        return register_model(run, save=_save, name=name, validation_auroc=score).is_champion


def test_the_champion_is_the_best_on_validation_and_a_tie_changes_nothing(tracking: Tracking) -> None:
    scores = (0.7, 0.6, 0.8, 0.8, None)
    assert [_register(tracking, "best", score) for score in scores] == [True, False, True, False, False]
    champion = tracking.client().get_model_version_by_alias("best", CHAMPION)
    assert champion.version in (3, "3")
    assert champion.description == "validation AUROC 0.800, preset tiny, data d1"


def test_a_model_of_other_data_takes_the_title(tracking: Tracking) -> None:
    assert _register(tracking, "other-data", 0.9)
    assert _register(tracking, "other-data", 0.6, data="d2")
