"""One of several processes that train together: `torchrun -m medpatch.train.worker JOB.json`."""

import json
import sys
from pathlib import Path

from medpatch.config.error import ConfigError, MedPatchError
from medpatch.train.job import Job
from medpatch.train.launch import ERROR, METRIC, PROGRESS
from medpatch.train.session import open_accelerator


def main(file: Path) -> int:
    """Run the job; the main process says metrics and progress on standard output. The exit code."""
    try:
        job = Job.from_json(file.read_text())
        check_processes(job, open_accelerator(job.config.train).num_processes)
        job.run(log_metric=lambda *point: _say(METRIC, point), progress=lambda *step: _say(PROGRESS, step))
    except MedPatchError as error:
        _say(ERROR, (type(error).__name__, f"{error}"))
        return 1
    return 0


def check_processes(job: Job, found: int) -> None:
    """Refuse to train in another number of processes than the job was written for.

    Raises:
        ConfigError: the launcher started more or fewer, as `accelerate launch --cpu` does, which starts one whatever
            its `--num_processes` says.
    """
    wanted = job.processes
    if found != wanted:
        raise ConfigError(
            f"train.processes: the job is for {wanted} in all, found {found}; start as many (on one machine: "
            f"`torchrun --nproc-per-node {wanted} -m medpatch.train.worker JOB.json`; `accelerate launch --cpu` starts "
            f"one whatever it is told), or write the job with train.processes={found}"
        )


def _say(kind: str, what: object) -> None:
    sys.stdout.write(f"{kind} {json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
