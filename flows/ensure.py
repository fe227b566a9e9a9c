"""One folder, made once: by whoever comes first, reused by everybody after."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from medpatch.contract.artifact import fingerprint, is_current
from medpatch.contract.lock import lock

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Folder:
    """A folder that a step leaves, and how it is made.

    Attributes:
        target: where.
        inputs: digest of what it is made from.
        packages: code that it depends on.
        make: writes it through `contract.artifact.writing`; may be given a callable that it tells its progress.
    """

    target: Path
    inputs: str
    packages: tuple[str, ...]
    make: Callable[[Progress | None], object]

    @property
    def is_current(self) -> bool:
        """True if it is there, whole and made from this."""
        return is_current(self.target, inputs=self.inputs, packages=self.packages)


def ensure(target: Path, *, inputs: str, packages: tuple[str, ...], make: Callable[[], object]) -> str:
    """Fingerprint of `target`, which is made unless it is current; two runs that want it do not both make it.

    Args:
        target: folder that `make` writes through `contract.artifact.writing`.
        inputs: digest of what it is made from.
        packages: code that it depends on.
        make: writes it.
    """
    if not is_current(target, inputs=inputs, packages=packages):
        with lock(target) as was_waited_for:
            if not (was_waited_for and is_current(target, inputs=inputs, packages=packages)):
                make()
    return fingerprint(target)


def ensure_folder(
    folder: Folder, *, around: Callable[[], AbstractContextManager[Progress | None]] = nullcontext
) -> str:
    """`ensure` of a folder that knows how it is made; `around` gives what it tells its progress to while it is."""

    def make() -> None:
        with around() as progress:
            folder.make(progress)

    return ensure(folder.target, inputs=folder.inputs, packages=folder.packages, make=make)
