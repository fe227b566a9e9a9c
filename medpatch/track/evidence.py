"""What a run rests on: the environment, the machine's load, the rows that were kept, the gates."""

import csv
import importlib.util
import io
import json
import logging
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from medpatch.config.path import REPOSITORY_DIR
from medpatch.track.log import log_metrics
from medpatch.track.run import TrackedRun

logger = logging.getLogger(__name__)

LOCK = "requirements.lock"
SAMPLE_SECONDS = 5.0


def log_environment(run: TrackedRun) -> None:
    """The lock file, the packages that are really installed, interpreter and machine."""
    from importlib.metadata import distributions

    client = run.tracking.client()
    installed = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}, key=str.lower)
    client.log_text(run.run_id, "\n".join(installed) + "\n", "environment/installed.txt")
    lock = REPOSITORY_DIR / LOCK
    if lock.is_file():
        client.log_artifact(run.run_id, str(lock), artifact_path="environment")
    machine = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": len(_processors()),
    }
    client.log_dict(run.run_id, machine, "environment/machine.json")


def log_accounting(run: TrackedRun, tables: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """Tables of counts (attrition, rows by source and rule) as CSV files, and the cohort's size as a metric."""
    client = run.tracking.client()
    for name, rows in tables.items():
        if not rows:
            continue
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        client.log_text(run.run_id, text.getvalue(), f"accounting/{name}.csv")


def log_gates(run: TrackedRun, gate_dirs: Sequence[Path], *, with_counts: bool = True) -> None:
    """How each gate came out, and expectations judged, failed and warned over all of them.

    Args:
        run: where.
        gate_dirs: folders of the outcomes.
        with_counts: False leaves the numbers out, where charts of a run should show its results alone.
    """
    counts: dict[str, float] = {"gate/expectations": 0, "gate/failed": 0, "gate/warnings": 0}
    client = run.tracking.client()
    for folder in gate_dirs:
        try:
            suites = json.loads((folder / "gate.json").read_text())["suites"]
        except (OSError, ValueError, KeyError) as error:
            logger.warning("%s: no readable gate.json (%s); its counts are missing", folder, type(error).__name__)
            continue
        outcomes = [outcome for suite in suites for outcome in suite["expectations"]]
        broken = [outcome["severity"] for outcome in outcomes if not outcome["is_met"]]
        counts["gate/expectations"] += len(outcomes)
        counts["gate/failed"] += broken.count("critical")
        counts["gate/warnings"] += broken.count("warning")
        word = "failed" if "critical" in broken else ("passed, warned" if broken else "passed")
        client.set_tag(run.run_id, f"gate.{folder.name}", word)
    if with_counts:
        log_metrics(run, counts)


@contextmanager
def system_metrics(run: TrackedRun) -> Iterator[None]:
    """CPU, memory, disk, network and, where there is one and nvidia-ml-py, GPU, every few seconds of the block."""
    if shutil.which("nvidia-smi") and importlib.util.find_spec("pynvml") is None:
        logger.warning("the load of this machine's GPU is not logged: `pip install nvidia-ml-py` makes MLflow do it")
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
    monitor = SystemMetricsMonitor(run.run_id, sampling_interval=SAMPLE_SECONDS, tracking_uri=run.tracking.uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def _processors() -> list[int]:
    import psutil

    return list(range(psutil.cpu_count() or 1))
