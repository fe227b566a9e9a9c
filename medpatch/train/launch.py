"""A job in this process, or in several that train together on this machine."""

import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

from medpatch.config import error as errors
from medpatch.config.error import MedPatchError
from medpatch.train.job import Job
from medpatch.train.record import LogMetric, Progress
from medpatch.train.result import StageResult, read_result

logger = logging.getLogger(__name__)

METRIC, PROGRESS, ERROR = "metric", "progress", "error"
"""What a line of a worker's standard output begins with."""


def run_job(job: Job, *, log_metric: LogMetric, progress: Progress | None = None) -> StageResult:
    """Train; with `train.processes` above one through torchrun, whose main process writes the folder.

    The same worker can be started by hand on several machines, `train.processes` times in all:
    `accelerate launch ... -m medpatch.train.worker JOB.json`, or torchrun.

    Raises:
        MedPatchError: what the stage raised; of several processes, class and message of the first that failed.
    """
    if job.processes == 1:
        return job.run(log_metric=log_metric, progress=progress)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.json"
        file.write_text(job.to_json())
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--log-dir", folder]
        command += ["--nproc-per-node", str(job.processes), "-m", "medpatch.train.worker", str(file)]
        error = _follow(command, log_metric, progress=progress)
    if error:
        raise error
    return read_result(job.out_dir)


def _follow(command: list[str], log_metric: LogMetric, *, progress: Progress | None) -> MedPatchError | None:
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
                error = error or _error(*json.loads(rest))
    if workers.returncode and error is None:
        raise MedPatchError(f"a training process ended with code {workers.returncode}; its messages are above")
    return error


def _error(kind: str, message: str) -> MedPatchError:
    """The error of a worker, of its own class if that is one of `medpatch.config.error`."""
    known = getattr(errors, kind, None)
    is_ours = isinstance(known, type) and issubclass(known, MedPatchError)
    return (known if is_ours else MedPatchError)(message)
