"""Wall seconds, CPU seconds and peak memory of a step, in a process of its own."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

STEP = "--step"


@dataclass(frozen=True)
class Cost:
    """What a step took.

    Attributes:
        wall: seconds that passed.
        cpu: seconds of processor time, all threads.
        peak_mib: most memory in use at once.
        found: what the step gave, for a look that it did the same work.
    """

    wall: float
    cpu: float
    peak_mib: float
    found: object


def measure(script: str, *arguments: object) -> Cost:
    """Run a step of the script (see `main_step`) in a new process.

    Raises:
        CalledProcessError: the step failed.
    """
    command = [sys.executable, script, STEP, *map(str, arguments)]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return Cost(**json.loads(out.splitlines()[-1]))


def main_step(steps: dict[str, Callable[..., object]]) -> bool:
    """In the new process: do the step and print its cost; False in the process that was started by hand."""
    if sys.argv[1:2] != [STEP]:
        return False
    step = steps[sys.argv[2]]
    before, start = os.times(), time.perf_counter()
    found = step(*sys.argv[3:])
    wall, after = time.perf_counter() - start, os.times()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps({"wall": wall, "cpu": cpu, "peak_mib": peak, "found": found}))
    return True


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
