"""What many tests share, each built once: offline settings, a made-up tree, the Prefect harness."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from medpatch.config.path import REPOSITORY_DIR, switch_off_telemetry

switch_off_telemetry()
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PREFECT_API_URL", None)
os.environ.pop("MEDPATCH_RAW_DIR", None)
os.environ.pop("MEDPATCH_WORK_DIR", None)
os.environ.pop("MLFLOW_TRACKING_URI", None)

SHARED = REPOSITORY_DIR.parent / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of reference data beside the project, or a skip where it is not."""
    if not SHARED.is_dir():
        pytest.skip("reference data beside the project is absent")
    return SHARED


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up MIMIC tree of 150 subjects; read-only by agreement."""
    from medpatch.synthetic.write import write_tree

    out = tmp_path_factory.mktemp("tree") / "raw"
    write_tree(out, subjects=150, seed=5)
    return out


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prefect's own test server with a database of its own."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


SMALL_DISK = """
mount -t tmpfs -o "size=$1" none "$2" || exit 77
disk=$2; shift 2
"$@"; code=$?
echo; echo "left on the disk:"; cd "$disk"; find . -mindepth 1
exit $code
"""


@dataclass(frozen=True)
class OnSmallDisk:
    """How a command ended whose folder was a disk of its own, and what it left there."""

    code: int
    said: str
    left: list[str]


@pytest.fixture(scope="session")
def on_small_disk() -> Callable[..., OnSmallDisk]:
    """Run a command while a folder is a disk of a size such as "64k"; skips where nobody may mount one.

    The disk is a real one, in memory, seen by the command alone and gone with it.
    """
    unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh"]
    # a flow in this process may have set where Prefect keeps its store, which would not be the small disk then
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}

    def run(command: list[str], *, folder: Path, size: str) -> OnSmallDisk:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            ended = subprocess.run(
                [*unshare, size, str(folder), *command],
                cwd=REPOSITORY_DIR,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            pytest.skip("no unshare(1) to mount a small disk with")
        if "left on the disk:" not in ended.stdout:
            pytest.skip("mounting a small disk is not permitted here")
        said, left = ended.stdout.rsplit("left on the disk:", 1)
        return OnSmallDisk(ended.returncode, said + ended.stderr, sorted(left.split()))

    return run
