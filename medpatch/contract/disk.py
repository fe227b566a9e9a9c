"""A full disk, recognised in the errors of any library and said in our words."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medpatch.config.error import MedPatchError, ResourceError

_TOO_LARGE = "File too large"
_TEXTS = ("No space left", _TOO_LARGE, "Disk quota exceeded")
_NUMBERS = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


def is_full(error: BaseException, *texts: str) -> bool:
    """True if it says that nothing more can be written, or holds one of the texts; our own errors never do."""
    if isinstance(error, MedPatchError):
        return False
    number = error.errno if isinstance(error, OSError) else None
    return number in _NUMBERS or any(text in str(error) for text in (*_TEXTS, *texts))


def full_disk(folder: Path, error: BaseException) -> ResourceError:
    """What to tell the user about an error that `is_full`; measured now: call it before anything is removed."""
    if getattr(error, "errno", None) == errno.EFBIG or _TOO_LARGE in str(error):
        return ResourceError(
            f"a file reached the largest size that this user or file system allows below {folder} (`ulimit -f`); "
            "nothing was kept of this step: raise it, or choose another work folder, and run again"
        )
    there = next(f for f in (folder, *folder.absolute().parents) if f.exists())
    return ResourceError(
        f"the disk is full: {shutil.disk_usage(there).free / 2**30:.1f} GiB are free below {folder}, and a quota may "
        "be lower; nothing was kept of this step: free some (`medpatch gc` lists work folders that nothing needs), or "
        "choose another work folder, and run again"
    )


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Errors that say that nothing more can be written, as one that says where and what to do.

    Raises:
        ResourceError: in their place.
    """
    try:
        yield
    except Exception as error:  # libraries have classes of their own for it
        if not is_full(error):
            raise
        raise full_disk(folder, error) from error
