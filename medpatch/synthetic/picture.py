"""Grey pictures that share the layout of a frontal chest film: 4 x 4 fields, one finding per field at most."""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from medpatch.config.name import Modality
from medpatch.synthetic.evidence import emissions

HEIGHT_PX, WIDTH_PX = 312, 256
FIELD_PX = (HEIGHT_PX // 4, WIDTH_PX // 4)
QUALITY = 85


def _bright(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return 62 * np.exp(-2.0 * ((row - 0.5) ** 2 + (column - 0.5) ** 2) / 0.5)


def _dark(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return -_bright(row, column)


def _column(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return 90.0 * (np.abs(column - 0.5 + 0 * row) < 0.22)


def _stripes(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return 24 + 50 * np.sign(np.sin(2 * np.pi * 2.5 * row + 0 * column))


def _slanted(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return 95.0 * (np.abs(row - column) < 0.25)


def _dots(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return 110.0 * ((np.sin(2 * np.pi * 2 * row) * np.sin(2 * np.pi * 2 * column)) > 0.15)


def _wedge(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return 80.0 * (row + 0.3 * column > 0.6)


FIELDS: dict[str, tuple[int, int, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "haze_right_apex": (0, 0, _bright),
    "endotracheal_tube": (0, 1, _column),
    "central_line": (0, 2, _slanted),
    "haze_left_apex": (0, 3, _bright),
    "right_lucency": (1, 0, _dark),
    "sternal_wires": (1, 1, _dots),
    "generator_pocket": (1, 2, _bright),
    "left_stripes": (1, 3, _stripes),
    "right_base_opacity": (2, 0, _bright),
    "large_heart": (2, 1, _wedge),
    "aortic_calcification": (2, 2, _slanted),
    "left_mid_shadow": (2, 3, _bright),
    "septal_lines": (3, 0, _stripes),
    "surgical_clips": (3, 1, _dots),
    "left_base_effusion": (3, 3, _wedge),
}
"""Finding -> row and column of its field and how it looks there; field (3, 2) always stays empty."""


def render(rng: np.random.Generator, finding: np.ndarray) -> np.ndarray:
    """(HEIGHT_PX, WIDTH_PX) uint8 picture of the findings (F,) bool, with noise that carries nothing."""
    picture = _chest() + _cloud(rng) + rng.normal(0, 9, (HEIGHT_PX, WIDTH_PX)).astype(np.float32)
    for f in np.flatnonzero(finding).tolist():
        row, column, pattern = _patterns()[f]
        strength = 0.85 + 0.3 * rng.random()
        picture[row : row + FIELD_PX[0], column : column + FIELD_PX[1]] += strength * pattern
    return np.clip(picture, 0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray) -> bytes:
    """The picture as a grey JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _cloud(rng: np.random.Generator) -> np.ndarray:
    """Slow variation over the picture and a shift of all of it."""
    coarse = rng.normal(0, 7, (5, 4)).astype(np.float32)
    smooth = Image.fromarray(coarse).resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR)
    return np.asarray(smooth) + np.float32(rng.normal(0, 4))


@cache
def _chest() -> np.ndarray:
    """Two dark lungs beside a bright middle."""
    y, x = np.mgrid[0 : 1 : HEIGHT_PX * 1j, 0 : 1 : WIDTH_PX * 1j]
    picture = np.full((HEIGHT_PX, WIDTH_PX), 112.0)
    for centre in (0.26, 0.74):
        picture -= 26 * np.exp(-((((x - centre) / 0.2) ** 2 + ((y - 0.48) / 0.38) ** 2) ** 2))
    return (picture + 14 * np.exp(-(((x - 0.5) / 0.1) ** 2))).astype(np.float32)


@cache
def _patterns() -> tuple[tuple[int, int, np.ndarray], ...]:
    """Per finding, in the order of the emission table: top, left and the added grey of its field."""
    row, column = np.mgrid[0 : 1 : FIELD_PX[0] * 1j, 0 : 1 : FIELD_PX[1] * 1j]
    placed = []
    for emission in emissions(Modality.CXR):
        field_row, field_column, look = FIELDS[emission.symbol]
        grey = look(row, column).astype(np.float32)
        placed.append((field_row * FIELD_PX[0], field_column * FIELD_PX[1], grey))
    return tuple(placed)
