"""The throw-away database: gone afterwards, whatever happened, and clear about a full disk."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pytest

from medpatch.config.error import ResourceError
from medpatch.extract.connect import full_disk_named, raw_error, scratch_database

from .conftest import write_ehr


def test_database_folder_is_gone_afterwards_and_after_an_error(tmp_path: Path) -> None:
    with scratch_database(tmp_path / "work", memory_limit="100MB") as connection:
        connection.execute("CREATE TABLE t AS FROM range(3_000_000) SELECT range, hash(range) AS h ORDER BY h")
        assert list((tmp_path / "work").iterdir())
    assert list((tmp_path / "work").iterdir()) == []

    with pytest.raises(ZeroDivisionError), scratch_database(tmp_path / "work"):
        raise ZeroDivisionError
    assert list((tmp_path / "work").iterdir()) == []


def test_database_folder_of_a_killed_process_is_removed_by_the_next(tmp_path: Path) -> None:
    script = f"""
        import os, signal
        from pathlib import Path
        from medpatch.extract.connect import scratch_database
        with scratch_database(Path({str(tmp_path / "work")!r})) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS x")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "work").iterdir())) == 1

    with scratch_database(tmp_path / "work"), scratch_database(tmp_path / "work"):
        assert len(list((tmp_path / "work").iterdir())) == 2  # one that is in use is left alone
    assert list((tmp_path / "work").iterdir()) == []


def test_full_disk_is_named_with_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    write_ehr(tmp_path / "raw")
    script = f"""
        import resource, signal
        from pathlib import Path
        from medpatch.extract.source import find_raw
        from medpatch.extract.staging import build_staging
        source = find_raw(Path({str(tmp_path / "raw")!r}))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # of a file; a full disk looks the same to DuckDB
        build_staging(source, Path({str(tmp_path / "work" / "staging")!r}), inputs="raw")
    """
    failed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True, text=True
    )
    assert "ResourceError" in failed.stderr.splitlines()[-1]
    assert "no space left on its disk" in failed.stderr.splitlines()[-1]
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        duckdb.IOException("Could not write file: No space left on device"),
        duckdb.OutOfMemoryException("could not allocate block of size 256.0 KiB"),
    ],
)
def test_too_little_disk_or_memory_is_no_fault_of_the_raw_file(tmp_path: Path, error: duckdb.Error) -> None:
    def stage() -> None:
        with full_disk_named(tmp_path):
            try:
                raise error
            except duckdb.Error as found:
                raise raw_error(found, tmp_path / "chartevents.csv.gz") from None

    with pytest.raises(ResourceError, match="free"):
        stage()


def test_full_disk_of_the_database_itself_is_named(tmp_path: Path) -> None:
    def overflow() -> None:
        with scratch_database(tmp_path / "work", memory_limit="100MB") as connection:
            connection.execute("SET max_temp_directory_size = '1MB'")
            connection.execute("CREATE TEMP TABLE t AS SELECT hash(range) AS h FROM range(30_000_000) ORDER BY h")

    with pytest.raises(ResourceError, match=r"work: .*(no space left|more memory)"):
        overflow()
    assert list((tmp_path / "work").iterdir()) == []
