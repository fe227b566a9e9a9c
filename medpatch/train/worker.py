"""One of several processes that train together: `torchrun -m medpatch.train.worker JOB.json`."""

import json
import sys
from pathlib import Path

from medpatch.config.error import MedPatchError
from medpatch.train.job import Job
from medpatch.train.launch import ERROR, METRIC, PROGRESS


def main(file: Path) -> int:
    """Run the job; the main process says metrics and progress on standard output. The exit code."""
    try:
        Job.from_json(file.read_text()).run(
            log_metric=lambda *point: _say(METRIC, point), progress=lambda *step: _say(PROGRESS, step)
        )
    except MedPatchError as error:
        _say(ERROR, (type(error).__name__, f"{error}"))
        return 1
    return 0


def _say(kind: str, what: object) -> None:
    sys.stdout.write(f"{kind} {json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
