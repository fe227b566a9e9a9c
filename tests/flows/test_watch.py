"""A process ends with a name where its server is gone, and takes along what it started."""

import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from flows.process import birth
from flows.record import HOST, Answer, probe
from medpatch.config.path import REPOSITORY_DIR

SERVED = """
import subprocess, sys, time
from flows import watch
watch.PROBE_SECONDS, watch.GONE_PROBES, watch.SILENT_PROBES = 0.05, 3, 6
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
with watch.watched(sys.argv[1]):
    time.sleep(float(sys.argv[2]))
time.sleep(0.3)
child.kill()
"""


class _Failing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def failing() -> Iterator[str]:
    """A server that answers every request with an error."""
    server = http.server.HTTPServer((HOST, 0), _Failing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{HOST}:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe_socket:
        probe_socket.bind((HOST, 0))
        return f"http://{HOST}:{probe_socket.getsockname()[1]}"


def _served(address: str, *, seconds: float) -> tuple[subprocess.CompletedProcess[str], int]:
    line = [sys.executable, "-c", SERVED, address, str(seconds)]
    done = subprocess.run(line, cwd=REPOSITORY_DIR, capture_output=True, text=True, check=False)
    return done, int(done.stdout.split()[0])


def test_nothing_that_listens_and_an_error_are_told_apart(nobody: str, failing: str) -> None:
    assert (probe(nobody), probe(failing)) == (Answer.GONE, Answer.SILENT)


@pytest.mark.parametrize("kind", ["nobody", "failing"])
def test_a_process_ends_with_its_children_where_the_server_is_lost(kind: str, request: pytest.FixtureRequest) -> None:
    began = time.monotonic()
    done, child = _served(request.getfixturevalue(kind), seconds=60)
    assert time.monotonic() - began < 30
    assert done.returncode == 1
    assert "ServerLostError: the Prefect server stopped answering" in done.stderr
    assert birth(child) is None


def test_a_process_whose_work_is_over_does_not_care(nobody: str) -> None:
    done, _ = _served(nobody, seconds=0)
    assert (done.returncode, done.stderr) == (0, "")
