"""What orchestration and tracking add: the demo's job under Prefect and MLflow, and the very same steps without either.

Each job runs in a process of its own on an empty work folder, start of the interpreter and of Prefect's server
included; the last line is a run with nothing to do.

Run: python bench/overhead.py [subjects]
"""

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

PRESET = "tiny_in_hospital_mortality"
PLAIN = "--plain"


def without_prefect_and_mlflow(raw_dir: Path, work_dir: Path) -> None:
    """Every step of the pipeline as a plain function, nothing tracked."""
    import prefect.logging

    import flows.step
    from medpatch.track import evidence, log, registry, run

    def plain(name: str, **_: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return lambda function: function

    flows.step.step = plain
    prefect.logging.get_run_logger = lambda: logging.getLogger("bench")
    run.parent_run = run.child_run = nobody
    for module in (log, evidence, registry):
        silence(module)
    log.live_metrics = no_metrics
    evidence.system_metrics = nobody
    import flows.evidence
    import flows.tracking

    flows.evidence.track_data = flows.evidence.track_gates = nothing
    flows.tracking.note_mlflow_run = nothing
    from flows.pipeline import full_pipeline

    full_pipeline.fn(PRESET, raw_dir=raw_dir, work_dir=work_dir)


def silence(module: ModuleType) -> None:
    """Every function that the module defines does nothing."""
    for name, value in list(vars(module).items()):
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and not isinstance(value, type):
            setattr(module, name, nothing)


def nothing(*_: Any, **__: Any) -> None:
    """In place of a call to MLflow."""


@contextmanager
def nobody(*_: Any, **__: Any) -> Iterator[Any]:
    """In place of an MLflow run."""
    from medpatch.track.run import TrackedRun, Tracking

    yield TrackedRun(Tracking("", None), "none", "none", {"data_digest": "none"})


@contextmanager
def no_metrics(*_: Any, **__: Any) -> Iterator[Callable[[str, float, int], None]]:
    """In place of curves in MLflow."""
    yield nothing


def seconds(*command: str) -> float:
    """Wall time of a command that must succeed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - start


def main(subjects: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        raw, here = str(Path(folder) / "raw"), str(Path(__file__).resolve())
        seconds("-m", "flows.cli", "synth", raw, "--subjects", str(subjects), "--seed", "7")
        run = ("-m", "flows.cli", "run", "--preset", PRESET, "--raw-dir", raw, "--work-dir", f"{folder}/orchestrated")
        bare = seconds(here, PLAIN, raw, f"{folder}/plain")
        whole = seconds(*run)
        cached = seconds(*run)
    print(f"{subjects} subjects, {PRESET}")
    print(f"steps alone                      {bare:7.1f} s")
    print(f"under Prefect and MLflow         {whole:7.1f} s")
    print(f"a run with nothing to do         {cached:7.1f} s   (goal: at most 15 s)")
    print(f"added                            {whole - bare:7.1f} s   (goal: at most 20 s for the demo)")
    print(f"of an hour's pipeline            {(whole - bare) / 36:7.2f} %   (goal: at most 5 %)")


if __name__ == "__main__":
    if PLAIN in sys.argv:
        without_prefect_and_mlflow(Path(sys.argv[-2]), Path(sys.argv[-1]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
