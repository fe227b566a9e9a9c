"""The temporary server of a command is killed while the command works: a named end, nothing lost, and the way on."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from medpatch.config.path import REPOSITORY_DIR

WAIT_SECONDS = 120.0


def _server_of(process: psutil.Popen) -> psutil.Process:
    [server] = [c for c in process.children(recursive=True) if any("temporary_server.py" in a for a in c.cmdline())]
    return server


@pytest.mark.timeout(400)
def test_a_temporary_server_killed_in_the_middle_is_named_and_the_next_run_goes_on(tree: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    line = [sys.executable, "-m", "flows.cli", "align", "--raw-dir", str(tree), "--work-dir", str(work)]
    environment = {k: v for k, v in os.environ.items() if k not in ("PREFECT_API_URL", "PREFECT_HOME")}
    ways = {"cwd": REPOSITORY_DIR, "env": environment, "text": True}
    process = psutil.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **ways)
    deadline = time.monotonic() + WAIT_SECONDS
    while not any(work.glob(".staging-*")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    _server_of(process).kill()
    said = process.communicate(timeout=WAIT_SECONDS)[0]
    assert process.returncode == 1, said
    assert "ServerLostError: the Prefect server stopped answering" in said.replace("\n", " ")
    assert "Traceback" not in said.rpartition("ServerLostError")[2]

    again = subprocess.run(line, capture_output=True, check=False, **ways)
    assert again.returncode == 0, again.stderr
    assert len(list(work.glob("data-*/2_tensor"))) == 1
