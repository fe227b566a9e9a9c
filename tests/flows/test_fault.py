"""What goes wrong around a run ends with a name, harms nothing, and is over when its cause is."""

import errno
import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from flows import local
from flows.align import align
from flows.ensure import ensure
from flows.extract import extract
from flows.failure import explained
from flows.start import settle
from medpatch.config.error import ResourceError, ServerLostError, ServiceError
from medpatch.config.path import PathConfig
from medpatch.config.preset import PresetName, tiny_in_hospital_mortality
from medpatch.contract.artifact import DESCRIPTION, writing
from medpatch.track.run import open_tracking, parent_run

PRESET = PresetName.tiny_in_hospital_mortality
TEN_YEARS_SECONDS = 10 * 365 * 24 * 3600


@pytest.fixture(scope="module")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store of the installed version with one finished run."""
    work_dir = tmp_path_factory.mktemp("store")
    paths = PathConfig(raw_dir=work_dir, work_dir=work_dir, tracking_uri=f"sqlite:///{work_dir / 'mlflow.db'}")
    with parent_run(open_tracking(paths), tiny_in_hospital_mortality(), preset="tiny", data_digest="d"):
        pass
    return work_dir / "mlflow.db"


def _open_run(store: Path) -> None:
    paths = PathConfig(raw_dir=store.parent, work_dir=store.parent, tracking_uri=f"sqlite:///{store}")
    with (
        explained("mlflow"),
        parent_run(open_tracking(paths), tiny_in_hospital_mortality(), preset="tiny", data_digest="d"),
    ):
        pass


@pytest.fixture
def impatient() -> Iterator[None]:
    """MLflow waits for 0.05 s, and not for 20, until a locked sqlite file is free."""

    def shorten(connection: object, cursor: object, statement: str, *rest: object) -> tuple[str, object]:
        return statement.replace("busy_timeout = 20000", "busy_timeout = 50"), rest[0]

    event.listen(Engine, "before_cursor_execute", shorten, retval=True)
    yield
    event.remove(Engine, "before_cursor_execute", shorten)


@pytest.mark.usefixtures("impatient")
def test_a_store_that_another_process_keeps_locked_is_named_and_works_again_when_it_is_free(
    made_store: Path, tmp_path: Path
) -> None:
    store = Path(shutil.copy(made_store, tmp_path))
    _open_run(store)
    with closing(sqlite3.connect(store)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ServiceError, match="mlflow: another process keeps the MLflow store locked"):
            _open_run(store)
        other.rollback()
    _open_run(store)


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("451aebb31d03", "made by an older version; back it up, then `mlflow db upgrade"),
        ("ffffffffffff", "made by a newer version of MLflow"),
    ],
    ids=["the second revision of all", "a revision that is not known yet"],
)
def test_a_store_of_another_schema_is_named_and_left_as_it_is(
    made_store: Path, tmp_path: Path, revision: str, words: str
) -> None:
    store = Path(shutil.copy(made_store, tmp_path))
    with closing(sqlite3.connect(store)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    before = store.read_bytes()
    with pytest.raises(ServiceError, match=words):
        _open_run(store)
    assert store.read_bytes() == before


def _align(tree: Path, work_dir: Path) -> Path:
    align(PRESET, raw_dir=tree, work_dir=work_dir)
    return settle(PRESET, raw_dir=tree, work_dir=work_dir).tensor_dir


@contextmanager
def _full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every shard that is closed finds no space left."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.ParquetWriter.write_table", refuse)
        yield


@pytest.fixture(scope="module")
def aligned(tree: Path, prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with tensors, whose first alignment found the disk full."""
    work_dir = tmp_path_factory.mktemp("fault")
    extract(PRESET, raw_dir=tree, work_dir=work_dir)
    with pytest.MonkeyPatch.context() as patch, _full_disk(patch):
        with pytest.raises(ResourceError, match=r"write-shards: the disk is full.*medpatch gc"):
            _align(tree, work_dir)
        tensors = settle(PRESET, raw_dir=tree, work_dir=work_dir).tensor_dir
        assert not tensors.exists()
        assert [p.name for p in tensors.parent.iterdir() if p.name.endswith((".tmp", ".old"))] == []
    _align(tree, work_dir)
    return work_dir


def _times(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_run_after_the_disk_was_full_makes_what_is_missing(tree: Path, aligned: Path) -> None:
    assert (settle(PRESET, raw_dir=tree, work_dir=aligned).tensor_dir / DESCRIPTION).is_file()


@pytest.mark.parametrize("seconds", [-TEN_YEARS_SECONDS, TEN_YEARS_SECONDS], ids=["set back", "set forward"])
def test_a_clock_that_was_changed_between_two_runs_makes_nothing_stale(tree: Path, aligned: Path, seconds: int) -> None:
    tensors = settle(PRESET, raw_dir=tree, work_dir=aligned).tensor_dir
    for file in (p for p in tensors.parent.rglob("*") if p.is_file()):
        os.utime(file, (time.time() + seconds,) * 2)
    before = _times(tensors)
    assert _align(tree, aligned) == tensors
    assert _times(tensors) == before


def test_a_raw_table_rewritten_under_a_clock_that_was_set_back_is_a_change(tree: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(tree, raw)
    first = settle(PRESET, raw_dir=raw, work_dir=tmp_path).raw_fingerprint
    table = raw / "mimiciv" / "hosp" / "patients.csv.gz"
    past = table.stat().st_mtime - TEN_YEARS_SECONDS
    os.utime(table, (past, past))
    assert settle(PRESET, raw_dir=raw, work_dir=tmp_path).raw_fingerprint == first  # the same bytes
    content = bytearray(table.read_bytes())
    content[4] ^= 1  # a byte of the gzip header: same size, older than what was read
    table.write_bytes(content)
    os.utime(table, (past - 1, past - 1))
    assert settle(PRESET, raw_dir=raw, work_dir=tmp_path).raw_fingerprint != first


@pytest.mark.parametrize("field", ["code", "content"], ids=["other code", "a description without this field"])
def test_tensors_of_another_version_are_made_again(tree: Path, aligned: Path, field: str) -> None:
    tensors = settle(PRESET, raw_dir=tree, work_dir=aligned).tensor_dir
    description = json.loads((tensors / DESCRIPTION).read_text())
    older = {**description, "code": "of an older version"}
    if field == "content":
        older.pop("content")
    (tensors / DESCRIPTION).write_text(json.dumps(older))
    _align(tree, aligned)
    assert json.loads((tensors / DESCRIPTION).read_text()) == description


def test_two_runs_that_want_the_same_folder_make_it_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> None:
        made.append(1)
        time.sleep(0.2)
        with writing(tmp_path / "it", inputs="a") as aside:
            (aside / "x").write_text("x")

    def want() -> None:
        ensure(tmp_path / "it", inputs="a", packages=(), make=make)

    runs = [threading.Thread(target=want) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert made == [1]


def test_a_server_that_dies_in_the_middle_says_how_to_go_on(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(**_: object) -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(local, "full_pipeline", dies)
    with pytest.raises(ServerLostError, match=r"what was finished is kept.*medpatch up.*same command again"):
        local.run_locally("report_dir", settle(PRESET, raw_dir=tree, work_dir=tmp_path), overrides={})
