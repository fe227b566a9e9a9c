"""Where raw files, outputs and tracking live; the only reader of the environment."""

import hashlib
import os
from functools import cache
from pathlib import Path

from medpatch.config.base import Frozen

REPOSITORY_DIR = Path(__file__).resolve().parents[2]
SQL_DIR = REPOSITORY_DIR / "sql"
EXPECTATION_DIR = REPOSITORY_DIR / "expectations"

OFFLINE_ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""Telemetry of prefect, mlflow and great_expectations switched off, and MLflow's bars about copied files.

Prefect's second page loads a tracker's settings from its maker whatever is switched off; the first one does not.
"""


class PathConfig(Frozen):
    """Locations of one run; none of them changes a result."""

    raw_dir: Path
    work_dir: Path
    tracking_uri: str

    @classmethod
    def from_environment(cls, *, raw_dir: Path | None = None, work_dir: Path | None = None) -> "PathConfig":
        """Arguments first, then MEDPATCH_RAW_DIR, MEDPATCH_WORK_DIR and MLFLOW_TRACKING_URI, then defaults."""
        work = Path(work_dir or os.environ.get("MEDPATCH_WORK_DIR", "work")).expanduser().resolve()
        raw = Path(raw_dir or os.environ.get("MEDPATCH_RAW_DIR", work / "raw")).expanduser().resolve()
        uri = os.environ.get("MLFLOW_TRACKING_URI", _own_store(work))
        return cls(raw_dir=raw, work_dir=work, tracking_uri=uri)

    @property
    def store_to_serve(self) -> str:
        """Where an MLflow server of this work folder keeps its runs: a server's address is no place for that."""
        is_server = self.tracking_uri.startswith(("http://", "https://"))
        return _own_store(self.work_dir) if is_server else self.tracking_uri

    @property
    def mlflow_artifact_dir(self) -> Path:
        """Where a local tracking store keeps its artifacts."""
        return self.work_dir / "mlartifacts"

    @property
    def shown_tracking_uri(self) -> str:
        """The tracking URI without user name and password, for pages and messages."""
        scheme, separator, rest = self.tracking_uri.partition("://")
        return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else self.tracking_uri


def _own_store(work_dir: Path) -> str:
    return f"sqlite:///{work_dir / 'mlflow.db'}"


def switch_off_telemetry() -> None:
    """Set what is not yet set so that none of the libraries calls home; call before importing them."""
    for name, value in OFFLINE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def ask_for_repeatable_products() -> None:
    """Let a GPU's matrix products and LSTMs give the same digits in every run; call before the GPU is first used.

    Source: the cuBLAS documentation, results reproducibility. Without effect on a CPU, and where the user has set it.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@cache
def code_digest(packages: tuple[str, ...]) -> str:
    """Digest of the source files of these parts ("sql", "expectations" or a subpackage of medpatch).

    Contracts and the names of labels and modalities always count. A changed file makes what it wrote stale.
    """
    digest = hashlib.sha256()
    for name in sorted({*packages, "contract", "config/name.py"}):
        place = REPOSITORY_DIR / (name if name in ("sql", "expectations") else f"medpatch/{name}")
        files = [place] if place.is_file() else place.rglob("*")
        for file in sorted(p for p in files if p.suffix in (".py", ".sql", ".csv", ".json")):
            digest.update(f"{file.relative_to(REPOSITORY_DIR)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def set_up_environment(paths: PathConfig) -> None:
    """Telemetry off, and Prefect's own files beside our outputs unless the user has placed them.

    Call before prefect, mlflow or great_expectations is imported: they read the environment once.
    """
    switch_off_telemetry()
    if "PREFECT_API_URL" not in os.environ:
        os.environ.setdefault("PREFECT_HOME", str(paths.work_dir / "prefect"))
    os.environ.setdefault("PREFECT_RESULTS_LOCAL_STORAGE_PATH", str(paths.work_dir / "prefect" / "results"))
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")  # a busy machine takes its time
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")  # a warning before the first flow
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "medpatch,flows")


def prefect_api() -> str | None:
    """Address of the Prefect API that the user, or a worker, has named; None if none is."""
    return os.environ.get("PREFECT_API_URL")


def is_worker_run() -> bool:
    """True in the process that a Prefect worker started for one flow run, and for nothing else."""
    return "PREFECT__FLOW_RUN_ID" in os.environ


def set_prefect_api(address: str) -> None:
    """Make this process and its children use that Prefect API; call before prefect is imported."""
    os.environ["PREFECT_API_URL"] = address


def child_environment(paths: PathConfig, **more: str) -> dict[str, str]:
    """Environment of a process we start: ours, the same locations, and `more`.

    A server keeps its store in the work folder even where PREFECT_API_URL is set, unless the user has placed it.
    """
    return {
        **os.environ,
        "PREFECT_HOME": os.environ.get("PREFECT_HOME", str(paths.work_dir / "prefect")),
        "MEDPATCH_RAW_DIR": str(paths.raw_dir),
        "MEDPATCH_WORK_DIR": str(paths.work_dir),
        "MLFLOW_TRACKING_URI": paths.tracking_uri,
        **more,
    }
