"""A job in this process, or in several that train together on this machine."""

import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

from medpatch.config.error import ConfigError, DivergedError, MedPatchError
from medpatch.config.name import Rival
from medpatch.train.job import Job
from medpatch.train.record import LogMetric, Progress
from medpatch.train.result import StageResult, read_result

logger = logging.getLogger(__name__)

METRIC, PROGRESS, ERROR = "metric", "progress", "error"
"""What a line of a worker's standard output begins with."""


def run_job(job: Job, *, log_metric: LogMetric, progress: Progress | None = None) -> StageResult:
    """Train; with `train.processes` above one through torchrun, whose main process writes the folder.

    The same worker can be started by hand on several machines:
    `accelerate launch ... -m medpatch.train.worker JOB.json`.

    Raises:
        MedPatchError: what the stage raised; of several processes, with the message of the first that failed.
    """
    if job.config.train.processes == 1 or job.rival is Rival.BOOSTED_TREES:
        return job.run(log_metric=log_metric, progress=progress)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.json"
        file.write_text(job.to_json())
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
        command += [str(job.config.train.processes), "-m", "medpatch.train.worker", str(file)]
        error = _follow(command, log_metric, progress=progress)
    if error:
        raise error
    return read_result(job.out_dir)


def _follow(command: list[str], log_metric: LogMetric, *, progress: Progress | None) -> ConfigError | None:
    """Run the workers, pass on what they say; their error, if they failed."""
    error = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as workers:
        for line in workers.stdout:
            kind, _, rest = line.partition(" ")
            if kind == METRIC:
                log_metric(*json.loads(rest))
            elif kind == PROGRESS and progress:
                progress(*json.loads(rest))
            elif kind == ERROR:
                kind, message = json.loads(rest)
                error = error or (DivergedError if kind == DivergedError.__name__ else ConfigError)(message)
    if workers.returncode and error is None:
        raise MedPatchError(f"a training process ended with code {workers.returncode}; its messages are above")
    return error
