"""One folder, made once: by whoever comes first, reused by everybody after."""

from collections.abc import Callable
from pathlib import Path

from medpatch.contract.artifact import fingerprint, is_current
from medpatch.contract.lock import lock


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
