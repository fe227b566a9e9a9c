"""The throw-away database: gone afterwards, whatever happened, and clear about a full disk."""

import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from medpatch.config.error import ResourceError
from medpatch.config.preset import phenotyping
from medpatch.contract.artifact import fingerprint
from medpatch.extract.connect import full_disk_named, raw_error, scratch_database
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw
from medpatch.extract.staging import build_staging

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


def run_with_small_files(lines: str, largest_bytes: int) -> str:
    """Last line of stderr of a process whose files may not grow beyond that; a full disk looks the same."""
    script = f"""
        import resource, signal
        from pathlib import Path
        from medpatch.extract.source import find_raw
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_bytes}, {largest_bytes}))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script) + lines], check=False, capture_output=True, text=True
    )
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("largest_bytes", [100, 1500], ids=["first table", "long table"])
def test_full_disk_while_staging_is_named_with_what_to_do_and_leaves_nothing(
    tmp_path: Path, largest_bytes: int
) -> None:
    write_ehr(tmp_path / "raw")
    lines = f"""
from medpatch.extract.staging import build_staging
build_staging(find_raw(Path({str(tmp_path / "raw")!r})), Path({str(tmp_path / "work" / "staging")!r}), inputs="raw")
"""
    last = run_with_small_files(lines, largest_bytes)

    assert "ResourceError" in last
    assert f"a file reached the largest size that this user or file system allows below {tmp_path / 'work'}" in last
    assert list((tmp_path / "work").iterdir()) == []


def test_full_disk_while_writing_the_mart_keeps_the_older_one_and_leaves_nothing(tmp_path: Path) -> None:
    raw, out = write_ehr(tmp_path / "raw"), tmp_path / "work" / "mart"
    build_staging(find_raw(raw), tmp_path / "staging", inputs="raw")
    build_warehouse(find_raw(raw), phenotyping(), out_dir=out, inputs="old", staging_dir=tmp_path / "staging")
    before = fingerprint(out)
    lines = f"""
from medpatch.config.preset import phenotyping
from medpatch.extract.run import build_warehouse
build_warehouse(find_raw(Path({str(raw)!r})), phenotyping(), out_dir=Path({str(out)!r}), inputs="new",
                staging_dir=Path({str(tmp_path / "staging")!r}))
"""
    last = run_with_small_files(lines, 300)

    assert "ResourceError" in last
    assert "a file reached the largest size" in last
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["mart"]
    assert fingerprint(out) == before


def test_tables_larger_than_the_memory_limit_spill_and_are_the_same(tmp_path: Path) -> None:
    with scratch_database(tmp_path / "work", memory_limit="60MB") as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS n, hash(range) AS h FROM range(8_000_000)")
        assert list((tmp_path / "work").glob("*/spill/*"))
        ((rows, total),) = connection.execute("SELECT count(*), sum(n) FROM t WHERE h = hash(n)").fetchall()
    assert (rows, total) == (8_000_000, 8_000_000 * 7_999_999 // 2)
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

    with pytest.raises(ResourceError, match=r"the disk is full: .*work|work: .*more memory"):
        overflow()
    assert list((tmp_path / "work").iterdir()) == []


def test_disk_that_fills_while_tables_spill_is_named_and_left_empty(tmp_path: Path, on_small_disk: Callable) -> None:
    script = f"""
        from pathlib import Path
        from medpatch.extract.connect import scratch_database
        with scratch_database(Path({str(tmp_path / "disk")!r}), memory_limit="60MB") as connection:
            connection.execute("CREATE TABLE t AS SELECT range AS n, hash(range) AS h FROM range(8_000_000)")
    """
    ended = on_small_disk([sys.executable, "-c", textwrap.dedent(script)], folder=tmp_path / "disk", size="4m")

    assert ended.code == 1
    assert re.search(rf"ResourceError: (the disk is full: .* below )?{tmp_path / 'disk'}", ended.said)
    assert ended.left == []
