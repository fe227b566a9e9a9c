"""Folders that are either whole or absent: written aside, described, renamed into place."""

import hashlib
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medpatch.config.base import digest_of
from medpatch.config.error import ContractError
from medpatch.config.path import code_digest
from medpatch.contract.disk import full_disk, is_full
from medpatch.contract.refresh import must_be_redone, note_written

DESCRIPTION = "artifact.json"


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`; takes its place only if the block ends without an error.

    Whatever stood at `target` is replaced at that moment and not before. What a killed process of this machine
    left beside `target` is removed first.

    Raises:
        ResourceError: in place of any error that says that the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    aside = target.parent / f".{target.name}.{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}.tmp"
    aside.mkdir()
    try:
        yield aside
        if target.exists():
            old = aside.with_suffix(".old")
            target.rename(old)
            aside.rename(target)
            shutil.rmtree(old)
        else:
            aside.rename(target)
        note_written(target)
    except BaseException as error:
        full = full_disk(target.parent, error) if is_full(error) else None
        shutil.rmtree(aside, ignore_errors=True)
        if full is not None:
            raise full from error
        raise


@contextmanager
def writing(
    target: Path, *, inputs: str, packages: tuple[str, ...] = (), notes: tuple[str, ...] = ()
) -> Iterator[Path]:
    """`replacing` with a description of what the folder was made from, by which code, and of its files.

    Args:
        target: the folder to make.
        inputs: digest of what the content is made from; compared by `is_current`.
        packages: subpackages of medpatch (or "sql") whose code makes the content.
        notes: files of the folder that no later step reads, left out of its fingerprint.

    Raises:
        ContractError: the block wrote no file.
    """
    with replacing(target) as aside:
        yield aside
        files = sorted(p for p in aside.rglob("*") if p.is_file())
        if not files:
            raise ContractError(f"{target}: nothing was written; the step that makes it produced no file")
        size = {str(p.relative_to(aside)): p.stat().st_size for p in files}
        content = folder_content(aside, without=notes)
        description = {"inputs": inputs, "code": code_digest(packages), "files": size, "content": content}
        (aside / DESCRIPTION).write_text(json.dumps(description, indent=1))


def is_current(target: Path, *, inputs: str, packages: tuple[str, ...] = ()) -> bool:
    """True if `target` was made from these inputs by this code and every file still has its size.

    False while its step is to be done again (`contract.refresh`) and it has not been written since.
    """
    if must_be_redone(target, packages):
        return False
    try:
        description = json.loads((target / DESCRIPTION).read_text())
        same = description["inputs"] == inputs and description["code"] == code_digest(packages)
        return same and is_whole(target)
    except (OSError, ValueError, KeyError):
        return False


def is_whole(target: Path) -> bool:
    """True if `target` was finished and every file of it still has its size."""
    try:
        description = json.loads((target / DESCRIPTION).read_text())
        files = description["files"].items()
        return "content" in description and all((target / name).stat().st_size == size for name, size in files)
    except (OSError, ValueError, KeyError):
        return False


def written_folders(root: Path) -> list[Path]:
    """Every finished folder below `root`, in the order of their paths; temporary ones are left out."""
    found = (file.parent for file in root.rglob(DESCRIPTION))
    return sorted(f for f in found if not any(part.startswith(".") for part in f.relative_to(root).parts))


def fingerprint(target: Path) -> str:
    """Digest that downstream steps use as input: by which code the folder was made, and what came out.

    What it was made from does not count: a file that was written again with the same content changes nothing that
    follows the first step that reads it.

    Raises:
        ContractError: the folder is absent or not whole.
    """
    try:
        description = json.loads((target / DESCRIPTION).read_text())
        return digest_of(description["code"], description["content"])
    except (OSError, ValueError, KeyError) as error:
        raise ContractError(
            f"{target}: not a finished folder (no readable {DESCRIPTION}); run the step that makes it"
        ) from error


def is_left_behind(folder: Path) -> bool:
    """True for a temporary folder of `replacing` whose process was of this machine and no longer runs."""
    pid = _writer(folder)
    return pid is not None and not _runs(pid)


def is_being_written(folder: Path) -> bool:
    """True for a temporary folder of `replacing` whose process is of this machine and runs."""
    pid = _writer(folder)
    return pid is not None and _runs(pid)


def replace_text(file: Path, text: str) -> None:
    """Write a small file beside itself, then rename, so that a reader never sees half of it."""
    aside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    aside.write_text(text)
    aside.replace(file)


def folder_content(folder: Path, *, without: tuple[str, ...] = ()) -> str:
    """Digest of the names and bytes of every file below a folder, but for those named."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in without)
    return digest_of({str(p.relative_to(folder)): _content(p) for p in files})


def _content(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sweep(target: Path) -> None:
    """Remove what processes of this machine that no longer run left beside `target`."""
    for left in target.parent.glob(f".{target.name}.*"):
        if is_left_behind(left):
            shutil.rmtree(left, ignore_errors=True)


def _writer(folder: Path) -> int | None:
    """Process of this machine that made a temporary folder; None for others."""
    name, _, process = folder.stem.rpartition(f".{socket.gethostname()}-")
    pid = process.split("-")[0]
    is_temporary = name.startswith(".") and folder.suffix in (".tmp", ".old")
    return int(pid) if is_temporary and pid.isdigit() else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
