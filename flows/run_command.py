"""Commands of the environment that runs us, run to their end; errors quote what they said."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from medpatch.config.error import ServiceError

LOG_LINES = 12


def command(name: str) -> list[str]:
    """How to call that command, whatever PATH says."""
    return [str(Path(sys.executable).with_name(name))]


def run_checked(line: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> None:
    """Run a command in a folder.

    Raises:
        ServiceError: it failed; the end of its output is quoted.
    """
    done = subprocess.run(line, cwd=folder, env=dict(environment), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        tail = "\n  ".join((done.stdout + done.stderr).splitlines()[-LOG_LINES:])
        raise ServiceError(f"`{' '.join(line)}` ended with code {done.returncode}:\n  {tail}")


def log_tail(log: Path) -> str:
    """The end of a log, for an error message."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        lines = []
    return f"the end of {log}:\n  " + "\n  ".join(lines)
