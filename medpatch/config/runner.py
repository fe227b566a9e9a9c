"""Where the work of one step is spread; none of it changes a result."""

from enum import StrEnum

from pydantic import Field, model_validator

from medpatch.config.base import Frozen


class Runner(StrEnum):
    """Who runs the parts of a step."""

    LOCAL = "local"
    DASK = "dask"


class Training(StrEnum):
    """Who trains, predicts and reports."""

    HERE = "here"
    GPU_QUEUE = "gpu_queue"


class RunnerConfig(Frozen):
    """One process, or a Dask cluster: one that is there, or one of this machine made for the run.

    Training, prediction and the report may be another flow run's, on a machine that has a GPU.
    """

    runner: Runner = Field(Runner.LOCAL, description="local: in this process; dask: spread over a Dask cluster")
    address: str | None = Field(
        None, description="scheduler of a running cluster, for example tcp://10.0.0.5:8786; empty: a local one"
    )
    workers: int = Field(2, gt=0, description="processes of the local cluster; a running one has its own")
    training: Training = Field(
        Training.HERE,
        description="here: the run does every step; gpu_queue: what follows alignment is a run of the deployment "
        "evaluate/evaluate, which a worker on the queue gpu takes",
    )

    @model_validator(mode="after")
    def _address_needs_dask(self) -> "RunnerConfig":
        if self.address is not None and self.runner is not Runner.DASK:
            raise ValueError("runner.address: only dask has an address; set runner to dask or leave it empty")
        return self
