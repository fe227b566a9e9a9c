"""Radiographs to small grey squares."""

from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from align.warehouse import write_image
from medpatch.align.cxr import image_fingerprint, read_image, read_images


def test_an_image_becomes_a_grey_square_of_the_asked_size(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", 90, width=300, height=100)
    square = read_image(tmp_path / "a.jpg", 32)
    assert square is not None
    assert square.shape == (32, 32)
    assert square.dtype == np.uint8
    assert abs(int(square.mean()) - 90) <= 1


def test_the_sides_are_squeezed_and_nothing_is_cut_off(tmp_path: Path) -> None:
    wide = np.zeros((20, 80), dtype=np.uint8)
    wide[:, 40:] = 200
    Image.fromarray(wide).save(tmp_path / "a.png")
    square = read_image(tmp_path / "a.png", 20)
    assert square is not None
    assert square[:, :9].max() == 0
    assert square[:, 11:].min() == 200


def test_a_large_jpeg_is_never_enlarged_from_below_the_asked_size(tmp_path: Path) -> None:
    stripes = np.zeros((512, 512), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(np.kron(stripes[:128, :128], np.ones((4, 4), dtype=np.uint8))).save(tmp_path / "a.jpg", quality=95)
    square = read_image(tmp_path / "a.jpg", 128)
    assert square is not None
    assert np.abs(square[5, 1:].astype(int) - square[5, :-1].astype(int)).min() > 150


def test_colour_becomes_grey(tmp_path: Path) -> None:
    Image.new("RGB", (10, 10), (60, 60, 60)).save(tmp_path / "a.png")
    square = read_image(tmp_path / "a.png", 4)
    assert square is not None
    assert square.tolist() == [[60] * 4] * 4


def test_absent_truncated_empty_foreign_and_16_bit_files_give_none(tmp_path: Path) -> None:
    write_image(tmp_path / "whole.jpg", 90, width=200, height=200)
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 3])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no picture")
    Image.fromarray(np.full((9, 9), 40000, dtype=np.uint16)).save(tmp_path / "deep.png")
    names = ["cut.jpg", "empty.jpg", "text.jpg", "deep.png", "absent.jpg", "."]
    assert read_images([tmp_path / name for name in names], 16) == [None] * 6


def test_images_come_back_in_the_order_asked(tmp_path: Path) -> None:
    for shade in range(0, 200, 10):
        write_image(tmp_path / f"{shade}.png", shade)
    squares = read_images([tmp_path / f"{shade}.png" for shade in range(0, 200, 10)], 8)
    assert [int(square[0, 0]) for square in squares if square is not None] == list(range(0, 200, 10))


def test_fingerprint_follows_the_chosen_images(tmp_path: Path) -> None:
    pl.DataFrame({"image_path": ["a.jpg", None]}).write_parquet(tmp_path / "cxr_study.parquet")
    absent = image_fingerprint(tmp_path, tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"one")
    first = image_fingerprint(tmp_path, tmp_path)
    (tmp_path / "other.jpg").write_bytes(b"not chosen")
    assert image_fingerprint(tmp_path, tmp_path) == first != absent
    (tmp_path / "a.jpg").write_bytes(b"other")
    assert image_fingerprint(tmp_path, tmp_path) != first
