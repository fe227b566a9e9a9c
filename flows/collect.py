"""`medpatch gc`: which folders of a work folder nothing needs any more, and their removal."""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flows.context import RunContext
from flows.process import birth, is_alive
from medpatch.config.error import BusyError
from medpatch.contract.artifact import is_being_written, is_left_behind, replace_text
from medpatch.contract.lock import LOCK_DIR, lock

MADE = ("staging-", "data-", "frozen-", "encoder-", "model-", "run-")
"""Folders that the pipeline makes and can make again."""
LEFT_HOURS = 48.0
"""After so long without a change a temporary folder of another machine is taken for one that a killed process left."""
USE_DIR = Path("service") / "use"
"""One file per run: the folders it was made from; its time is that of the run."""


@dataclass(frozen=True)
class Candidate:
    """A folder that could be removed.

    Attributes:
        folder: where.
        size_bytes: of all its files.
        reason: why nothing needs it.
    """

    folder: Path
    size_bytes: int
    reason: str


@dataclass(frozen=True)
class _Use:
    """What a run needs.

    Attributes:
        time: when it was last used, seconds since 1970.
        preset: it started from, and its arm.
        folders: names in the work folder.
        group: runs that differ in the seed alone have the same, as those of a leaderboard.
        process: host, pid and birth of the process that noted it.
    """

    time: float
    preset: str
    folders: frozenset[str]
    group: str
    process: tuple[str, int, str]

    @property
    def is_live(self) -> bool:
        """True while that process runs; of another machine, which cannot be asked, for two days."""
        host, pid, born = self.process
        if host != socket.gethostname():
            return time.time() - self.time < LEFT_HOURS * 3600
        return is_alive(pid, born)


def note_use(run: RunContext, folders: Iterable[Path] = ()) -> None:
    """Write down that this run needs these folders of the work folder, now; what it noted before stays noted.

    As long as this process lives, all of them count as needed, whatever run is newer. An arm counts as a preset of its
    own: it is made after the run that it is compared with, and is not its successor.
    """
    file = run.paths.work_dir / USE_DIR / f"{run.run_dir.name}.json"
    earlier = _read(file)
    names = {run.run_dir.name, *(earlier.folders if earlier else ())}
    names |= {folder.relative_to(run.paths.work_dir).parts[0] for folder in folders}
    preset = str(run.preset) if run.arm is None else f"{run.preset} {run.arm}"
    file.parent.mkdir(parents=True, exist_ok=True)
    note = {
        "preset": preset,
        "folders": sorted(names),
        "group": run.group_digest,
        "process": [socket.gethostname(), os.getpid(), birth(os.getpid())],
    }
    replace_text(file, json.dumps(note))


def find_garbage(work_dir: Path, *, keep: int = 1, younger_hours: float = 0.0) -> list[Candidate]:
    """Folders that neither live runs nor the newest of each preset need, the largest first.

    Raw files, the MLflow and Prefect stores, logs and whatever else is there are never named.

    Args:
        work_dir: the work folder.
        keep: runs per preset that are kept with all they were made from; runs that differ in the seed alone are one.
        younger_hours: folders changed within so many hours are kept too, hours.
    """
    uses = sorted(filter(None, map(_read, (work_dir / USE_DIR).glob("*.json"))), key=lambda u: u.time, reverse=True)
    needed: set[str] = set()
    groups: dict[str, list[str]] = {}
    for use in uses:
        newest = groups.setdefault(use.preset, [])
        if use.group not in newest:
            newest.append(use.group)
        if use.is_live or use.group in newest[:keep]:
            needed |= use.folders
    found = []
    for folder in sorted(p for p in work_dir.iterdir() if p.is_dir()):
        if folder.name in needed or not _is_ours(folder) or is_being_written(folder):
            continue
        is_temporary, is_left = folder.name.startswith("."), is_left_behind(folder)
        youngest = max(younger_hours, LEFT_HOURS) if is_temporary else younger_hours
        if not is_left and time.time() - _changed(folder) < youngest * 3600:
            continue
        reason = (
            "left by a killed process"
            if is_temporary
            else f"needed by no live run and by none of the newest {keep} of its preset"
        )
        found.append(Candidate(folder, _size(folder), reason))
    return sorted(found, key=lambda c: c.size_bytes, reverse=True)


def remove(candidates: Iterable[Candidate]) -> int:
    """Remove them, each under its lock; the bytes that were freed.

    A folder that somebody writes at this moment is left alone.
    """
    freed = 0
    for candidate in candidates:
        try:
            with lock(candidate.folder, wait_seconds=0):
                shutil.rmtree(candidate.folder)
        except (BusyError, FileNotFoundError):
            continue
        freed += candidate.size_bytes
    return freed


def _is_ours(folder: Path) -> bool:
    name = folder.name.removeprefix(".")
    if name == LOCK_DIR.removeprefix("."):
        return False
    return name.startswith(MADE)


def _read(file: Path) -> _Use | None:
    """What a run noted; None for one of another version."""
    try:
        content = json.loads(file.read_text())
        host, pid, born = content["process"]
        return _Use(
            time=file.stat().st_mtime,
            preset=content["preset"],
            folders=frozenset(content["folders"]),
            group=content["group"],
            process=(host, pid, born),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _changed(folder: Path) -> float:
    """When the folder or a folder right below it last got or lost a file, seconds since 1970."""
    return max(p.stat().st_mtime for p in (folder, *(p for p in folder.iterdir() if p.is_dir())))


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(place) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
