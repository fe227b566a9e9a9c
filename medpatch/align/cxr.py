"""The chosen radiograph of each stay as a small grey square."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from medpatch.config.base import digest_of
from medpatch.contract.table import warehouse_file

EIGHT_BIT_MODES = {"L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"}


def read_images(files: Sequence[Path], size_px: int) -> list[np.ndarray | None]:
    """For each file (size_px, size_px) uint8, or None where it is absent or not readable.

    Threads help: Pillow decodes and resizes without holding the interpreter.
    """
    if not files:
        return []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(partial(read_image, size_px=size_px), files))


def read_image(file: Path, size_px: int) -> np.ndarray | None:
    """(size_px, size_px) uint8, grey, sides squeezed to a square; None if it is absent or not readable.

    Source: MedPatch evaluation transform, Resize to a square without keeping the aspect, bilinear.
    Deviates: one resize from the original, not a second one after 512 px JPEG files, and JPEG data is
    decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that is not below the target; both save time and a copy.
    """
    try:
        with Image.open(file) as image:
            image.draft("L", (size_px, size_px))
            if image.mode not in EIGHT_BIT_MODES:  # 16-bit would be clipped to white without a word
                return None
            square = image.convert("L").resize((size_px, size_px), Image.Resampling.BILINEAR)
            return np.asarray(square)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def image_fingerprint(warehouse_dir: Path, cxr_dir: Path | None) -> str:
    """Digest of name, size and time of change of every chosen image, absent ones included; pixels are not read."""
    if cxr_dir is None:
        return digest_of()
    paths = pl.read_parquet(warehouse_dir / warehouse_file("cxr_study"), columns=["image_path"])["image_path"]
    return digest_of([(path, *size_and_time(cxr_dir / path)) for path in paths.drop_nulls().unique().sort()])


def size_and_time(file: Path) -> tuple[int, int]:
    """Bytes and time of change in nanoseconds, both -1 if it is absent."""
    try:
        status = file.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
