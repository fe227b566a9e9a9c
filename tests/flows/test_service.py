"""Services refuse early and say what to do."""

import socket
from pathlib import Path

import pytest

from flows.service import HOST, serve_pages, serve_worker
from medpatch.config.error import ConfigError
from medpatch.config.path import PathConfig


@pytest.fixture
def taken_port() -> int:
    """A port that something listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_taken_port_is_named_with_the_option_to_change_it(tmp_path: Path, taken_port: int) -> None:
    paths = PathConfig.from_environment(work_dir=tmp_path)
    with pytest.raises(ConfigError, match=f"port {taken_port} for Prefect is taken.*--prefect-port"):
        serve_pages(paths, prefect_port=taken_port, mlflow_port=1)


def test_worker_without_server_says_how_to_start_one(tmp_path: Path) -> None:
    paths = PathConfig.from_environment(work_dir=tmp_path)
    with pytest.raises(ConfigError, match="make ui"):
        serve_worker(paths, prefect_port=1)
