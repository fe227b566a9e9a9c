"""Identifiers that look like MIMIC's and never repeat, without a list of those already given."""

import numpy as np

CHUNK_SUBJECTS = 256
"""Subjects made at a time; part of what a seed means."""
CHUNK_ROOM = 2048
"""Numbers of each kind kept free per chunk."""
SUBJECT_ROOM = 512
"""The same for subjects, of MIMIC-IV or only of MIMIC-CXR."""
SPAN = 10_000_000
MOST_SUBJECTS = SPAN // CHUNK_ROOM * CHUNK_SUBJECTS

SUBJECT, HADM, STAY, STUDY = 10_000_000, 20_000_000, 30_000_000, 50_000_000
TRANSFER, SPECIMEN = 30_000_000, 40_000_000

STRIDE = 6_180_339  # without a common divisor with SPAN: walks through all of it before repeating


def identifiers(kind: int, chunk: int, *, count: int, room: int = CHUNK_ROOM) -> np.ndarray:
    """(count,) int64 identifiers of `kind`, the next ones of this chunk.

    Raises:
        ValueError: a chunk needs more numbers than are kept free for it.
    """
    if count > room:
        raise ValueError(f"identifiers: {count} of kind {kind} needed in chunk {chunk}, {room} are kept free")
    index = chunk * room + np.arange(count, dtype=np.int64)
    return kind + (index * STRIDE + 1_234_567) % SPAN


def provider_id(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count,) codes such as P03YMR, drawn from `PROVIDERS`."""
    return PROVIDERS[rng.integers(0, len(PROVIDERS), count)]


def dicom_id(rng: np.random.Generator) -> str:
    """Five groups of eight hexadecimal digits."""
    return "-".join(f"{part:08x}" for part in rng.integers(0, 2**32, 5, dtype=np.uint64).tolist())


def _providers() -> np.ndarray:
    letters = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    return np.array(
        [
            f"P{number % 100:02d}{letters[number * 7 % 34]}{letters[number * 11 % 34]}{letters[number * 13 % 34]}"
            for number in range(100)
        ]
    )


PROVIDERS = _providers()
CAREGIVERS = np.arange(10_007, 99_999, 911)
