"""What `medpatch up` started, written down in the work folder."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path

from pydantic import Field, ValidationError

from flows.process import is_alive
from medpatch.config.base import Frozen
from medpatch.config.path import PathConfig
from medpatch.contract.artifact import replace_text

HOST = "127.0.0.1"
PREFECT, MLFLOW, WORKER, GPU_WORKER = "Prefect", "MLflow", "worker", "gpu-worker"
PORTS = {PREFECT: 4200, MLFLOW: 5000}
"""Where they listen unless another port is asked for."""
ANSWER_SECONDS = 2.0


class Service(Frozen):
    """One process that was started."""

    name: str
    pid: int
    birth: str = Field(description="tells this process from a later one with the same pid")
    port: int | None = None
    log: Path

    @property
    def is_alive(self) -> bool:
        """True if that very process still runs."""
        return is_alive(self.pid, self.birth)

    @property
    def address(self) -> str | None:
        """Where a browser finds it; None for a worker."""
        return None if self.port is None else f"http://{HOST}:{self.port}"

    @property
    def health(self) -> str | None:
        """The address that answers 200 while it is well; None for a worker."""
        path = {PREFECT: "/api/health", MLFLOW: "/health"}.get(self.name)
        return None if path is None else f"{self.address}{path}"

    @property
    def answers(self) -> bool:
        """True if it does what it is there for; a worker counts while it lives."""
        return self.is_alive and (self.health is None or answers(self.health))


class Record(Frozen):
    """Everything that belongs to the services of one work folder."""

    token: str = Field(description="the mark that their processes carry")
    services: dict[str, Service] = Field(default_factory=dict)

    def with_service(self, service: Service) -> "Record":
        """The record with that service added or replaced."""
        return self.model_copy(update={"services": {**self.services, service.name: service}})

    def without(self, names: Collection[str]) -> "Record":
        """The record with those services left out."""
        return self.model_copy(update={"services": {n: s for n, s in self.services.items() if n not in names}})


def new_record() -> Record:
    """An empty record with a mark of its own."""
    return Record(token=secrets.token_hex(8))


def record_file(paths: PathConfig) -> Path:
    """The one file that says what runs."""
    return paths.work_dir / "service" / "services.json"


def read_record(paths: PathConfig) -> Record | None:
    """What was started from this work folder; None if nothing was, or the file is of another version."""
    try:
        return Record.model_validate(json.loads(record_file(paths).read_text()))
    except (OSError, ValueError, ValidationError):
        return None


def write_record(paths: PathConfig, record: Record) -> None:
    """Replace the record, never leaving half a file."""
    record_file(paths).parent.mkdir(parents=True, exist_ok=True)
    replace_text(record_file(paths), record.model_dump_json(indent=1))


def forget_record(paths: PathConfig) -> None:
    """Nothing runs any more."""
    record_file(paths).unlink(missing_ok=True)


def running_address(paths: PathConfig, name: str) -> str | None:
    """Address of a service of this work folder that answers now, else None."""
    record = read_record(paths)
    service = record.services.get(name) if record else None
    return service.address if service is not None and service.answers else None


class Answer(StrEnum):
    """What an address does."""

    WELL = "well"
    SILENT = "silent"
    """Something is there, too slow or with an error; or the way to it is broken."""
    GONE = "gone"
    """Nothing listens."""


def answers(url: str) -> bool:
    """True if a GET of that address gives 200 within two seconds."""
    return probe(url) is Answer.WELL


def probe(url: str) -> Answer:
    """What a GET of that address gives within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as response:
            return Answer.WELL if response.status == 200 else Answer.SILENT
    except (urllib.error.URLError, OSError, ValueError) as error:
        cause = getattr(error, "reason", error)
        return Answer.GONE if isinstance(cause, ConnectionRefusedError) else Answer.SILENT
