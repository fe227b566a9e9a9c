"""One GPU, one run at a time; without one the run goes on on the CPU and says so."""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from flows.gpu import GPU, gpu_slot, wants_gpu
from medpatch.config.override import apply_overrides
from medpatch.config.preset import in_hospital_mortality, tiny_in_hospital_mortality
from medpatch.feature.opening import choose_device


@pytest.mark.parametrize("asked", ["auto", "cuda"])
def test_without_a_gpu_a_run_that_asks_for_one_is_warned_and_uses_the_cpu(
    asked: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = apply_overrides(in_hospital_mortality(), {"train.device": asked})
    with caplog.at_level(logging.WARNING), gpu_slot(config) as has_gpu:
        assert not has_gpu
    assert "running on the CPU" in caplog.text
    assert choose_device(asked).type == "cpu"


def test_a_run_that_asks_for_the_cpu_takes_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert not wants_gpu(tiny_in_hospital_mortality())


def test_two_runs_on_a_gpu_take_turns(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU, limit=1))
    busy, together = Lock(), []

    def run() -> None:
        with gpu_slot(in_hospital_mortality()):
            is_alone = busy.acquire(blocking=False)
            together.append(not is_alone)
            if is_alone:
                busy.release()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: run(), range(2)))
    assert together == [False, False]
