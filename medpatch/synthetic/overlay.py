"""`write_overlay`: made-up images and notes for the patients of an existing MIMIC-IV folder."""

import csv
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from medpatch.config.error import ConfigError, RawDataError
from medpatch.config.name import Modality
from medpatch.synthetic.cxr import TABLES, Picture, chunk_pictures, made_up_picture, write_pictures
from medpatch.synthetic.evidence import emissions
from medpatch.synthetic.existing import existing_chunks
from medpatch.synthetic.folder import describe, made_up_folder
from medpatch.synthetic.note import LATE, discharge, radiology
from medpatch.synthetic.sink import TableSink

NOTE_TABLES = tuple(
    f"mimic-iv-note/note/{name}" for name in ("discharge", "discharge_detail", "radiology", "radiology_detail")
)
STATEMENT = (
    "The images and notes in this folder were given to these patients by a program: the notes are made up from "
    "their diagnosis codes and outcome, the images are drawn or belong to other people. The pairing means "
    "nothing, and no result from it says anything about medicine."
)
LONGEST_SIDE_PX = 512
ABNORMAL = ("right_base_opacity", "left_base_effusion", "large_heart", "haze_right_apex", "haze_left_apex")
"""Findings that make a borrowed image one with an abnormal label."""
NORMAL_LABELS = ("", "NORMAL", "No Finding")


def write_overlay(
    raw_dir: Path,
    out_dir: Path,
    *,
    seed: int,
    image_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make `out_dir` a complete raw folder: the existing MIMIC-IV plus made-up images and notes.

    Below it: mimiciv (a link to `raw_dir`, a copy where links are impossible), mimic-cxr-jpg, mimic-iv-note
    and MADE_UP.json.

    Args:
        raw_dir: folder that holds hosp/ and icu/.
        out_dir: the folder to make; an earlier overlay there is replaced.
        seed: of everything made up.
        image_dir: folder of *.jpg to draw images from, with an optional manifest.csv (file, labels, dataset,
            licence); None paints them.
        progress: called with (stays done, stays).

    Raises:
        RawDataError: a table of `raw_dir` or every image is missing or unreadable.
        ConfigError: `out_dir` holds something that is not made up, or holds `raw_dir`.
    """
    raw_dir = raw_dir.resolve()
    if raw_dir.is_relative_to(out_dir.resolve()):
        raise ConfigError(f"overlay: {raw_dir} lies in {out_dir}, which would be replaced; choose another output")
    album = _Album(image_dir) if image_dir else None
    with made_up_folder(out_dir) as root:
        with TableSink(root, (*TABLES, *NOTE_TABLES)) as sink:
            for number, (chunk, done, total) in enumerate(existing_chunks(raw_dir, seed)):
                rng = np.random.default_rng([seed, number, 1])
                pictures = chunk_pictures(rng, chunk)
                paint = album.paint if album else made_up_picture
                tables = write_pictures(rng, pictures, root=root, number=number, paint=paint)
                if album:
                    album.record(tables[TABLES[0]])
                late = np.random.default_rng([seed, number, LATE])
                for kind, notes in (
                    ("radiology", radiology(rng, chunk, late=late)),
                    ("discharge", discharge(rng, chunk)),
                ):
                    tables |= {
                        NOTE_TABLES[0].replace("discharge", kind): notes.note,
                        NOTE_TABLES[1].replace("discharge", kind): notes.detail,
                    }
                for table, frame in tables.items():
                    sink.add(table, frame)
                if progress:
                    progress(done, total)
        if album:
            album.write_record(root / "mimic-cxr-jpg" / "MADE_UP_sources.csv")
        _link(raw_dir, root / "mimiciv")
        describe(
            root,
            kind="overlay",
            statement=STATEMENT,
            seed=seed,
            images=album.description() if album else "painted by the generator",
        )


@dataclass(frozen=True)
class _Photograph:
    """An existing image file and what its manifest says."""

    path: Path
    labels: str
    dataset: str
    licence: str


class _Album:
    """Existing images to borrow, and a record of who got which."""

    def __init__(self, folder: Path) -> None:
        manifest = folder / "manifest.csv"
        described: dict[str, dict[str, str]] = {}
        if manifest.is_file():
            with manifest.open(encoding="utf-8", newline="") as file:
                described = {row["file"]: row for row in csv.DictReader(file)}
        paths = sorted(folder.glob("*.jpg"))
        if not paths:
            raise RawDataError(f"overlay: no *.jpg in {folder}; name a folder of images or leave it out")
        self._all = [
            _Photograph(path, *(described.get(path.name, {}).get(key, "") for key in ("labels", "dataset", "licence")))
            for path in paths
        ]
        self._normal = [p for p in self._all if p.labels in NORMAL_LABELS] or self._all
        self._abnormal = [p for p in self._all if p.labels not in NORMAL_LABELS] or self._all
        self._used: list[str] = []
        self._record: list[tuple[str, str]] = []

    def paint(self, rng: np.random.Generator, picture: Picture) -> np.ndarray:
        """(H, W) uint8 of a borrowed image, at most LONGEST_SIDE_PX long; abnormal if the findings are.

        Raises:
            RawDataError: the file is no readable image.
        """
        names = [emission.symbol for emission in emissions(Modality.CXR)]
        is_abnormal = any(picture.finding[names.index(symbol)] for symbol in ABNORMAL)
        choices = self._abnormal if is_abnormal else self._normal
        chosen = choices[int(rng.integers(0, len(choices)))]
        self._used.append(chosen.path.name)
        try:
            with Image.open(chosen.path) as image:
                grey = image.convert("L")
            grey.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
            return np.asarray(grey)
        except OSError as error:
            raise RawDataError(f"overlay: {chosen.path} is not a readable image; remove or replace it") from error

    def record(self, metadata: pl.DataFrame) -> None:
        """Note which files the latest pictures, in the order of `metadata`, came from."""
        self._record += zip(metadata["dicom_id"].to_list(), self._used, strict=True)
        self._used = []

    def write_record(self, path: Path) -> None:
        """dicom_id, file, dataset and licence of every image given out."""
        by_name = {p.path.name: p for p in self._all}
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("dicom_id", "file", "dataset", "licence"))
            for dicom, name in self._record:
                writer.writerow((dicom, name, by_name[name].dataset, by_name[name].licence))

    def description(self) -> dict[str, object]:
        """What MADE_UP.json says about the images."""
        datasets = sorted({f"{p.dataset}: {p.licence}" for p in self._all if p.dataset})
        return {
            "files": len(self._all),
            "given out": len(self._record),
            "datasets": datasets,
            "per image": "mimic-cxr-jpg/MADE_UP_sources.csv",
            "views": "all declared AP, whatever they are",
        }


def _link(source: Path, target: Path) -> None:
    try:
        os.symlink(source, target, target_is_directory=True)  # noqa: PTH211 - Path has no fallback either
    except (OSError, NotImplementedError):
        shutil.copytree(source, target)
