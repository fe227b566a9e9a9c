"""The parts of alignment on a local Dask cluster give the very files that one process gives."""

import hashlib
from pathlib import Path

import pytest

from flows.align import align
from flows.fan import spread_over
from flows.start import settle
from medpatch.config.error import ServiceError
from medpatch.config.preset import PresetName
from medpatch.config.runner import Runner, RunnerConfig

SMALL = {"modality.shard_stays": 8}
TWO_WORKERS = RunnerConfig(runner=Runner.DASK, workers=2)


def test_without_a_cluster_the_parts_run_one_after_the_other_here() -> None:
    assert list(spread_over(RunnerConfig(), title="parts")(abs, [-1, 2, -3])) == [1, 2, 3]


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("timed out")

    monkeypatch.setattr("distributed.Client", refuse)
    config = RunnerConfig(runner=Runner.DASK, address="tcp://127.0.0.1:9")
    with pytest.raises(ServiceError, match="tcp://127.0.0.1:9.*start one"):
        next(iter(spread_over(config, title="parts")(abs, [1])))


def _align(tree: Path, work_dir: Path, runner: RunnerConfig | None) -> dict[str, str]:
    preset = PresetName.tiny_phenotyping
    align(preset, raw_dir=tree, work_dir=work_dir, overrides=SMALL, runner=runner)
    folder = settle(preset, raw_dir=tree, work_dir=work_dir, overrides=SMALL).tensor_dir
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.parquet"))}


def test_two_dask_workers_write_what_one_process_writes(
    tree: Path, prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medpatch.align.source.CHUNK_STAYS", 32)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here = _align(tree, tmp_path / "here", None)
    spread = _align(tree, tmp_path / "spread", TWO_WORKERS)
    assert len(here) > 10
    assert spread == here
