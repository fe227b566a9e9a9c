"""A made-up MIMIC of any number of charted rows, made cheaply: one small tree, repeated under other identifiers.

Each round repeats the tree's patients under new subject_id, hadm_id and stay_id and writes them to the same gzip
streams, so that memory does not grow. As in MIMIC-IV, most charted and laboratory rows are of items that no
channel uses: `CHART_FILLER` and `LAB_FILLER` such rows follow each row of the tree.

Run: python bench/raw.py [ROWS] [FOLDER TO KEEP IT IN]
"""

import gzip
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import polars as pl

from medpatch.synthetic.identity import CHUNK_ROOM, CHUNK_SUBJECTS, HADM, SPAN, STAY, STRIDE, SUBJECT
from medpatch.synthetic.write import write_tree

SUBJECTS = CHUNK_SUBJECTS
TABLES = (
    "hosp/patients",
    "hosp/admissions",
    "hosp/diagnoses_icd",
    "hosp/d_icd_diagnoses",
    "icu/icustays",
    "hosp/labevents",
    "icu/chartevents",
)
KIND = {"subject_id": SUBJECT, "hadm_id": HADM, "stay_id": STAY}
CHART_FILLER, LAB_FILLER = 2, 8
CHART_ITEMS = (220047, 223770, 224697, 224746, 227969, 229321)
LAB_ITEMS = (50868, 50882, 50902, 51006, 51221, 51265)


def write_raw(folder: Path, rows: int) -> int:
    """hosp/ and icu/ with at least `rows` rows of chartevents as .csv.gz; how many there are.

    The folder gets its name when it is whole.

    Raises:
        FileExistsError: the folder is there.
    """
    if folder.exists():
        raise FileExistsError(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.part-", dir=folder.parent))
    try:
        charted = _write_tables(aside, rows)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return charted


def _write_tables(folder: Path, rows: int) -> int:
    with tempfile.TemporaryDirectory() as small:
        write_tree(Path(small) / "tree", subjects=SUBJECTS, seed=1)
        frames = {name: _read(Path(small) / "tree" / "mimiciv" / f"{name}.csv.gz") for name in TABLES}
    frames["icu/chartevents"] = _diluted(frames["icu/chartevents"], CHART_ITEMS, copies=CHART_FILLER)
    frames["hosp/labevents"] = _diluted(frames["hosp/labevents"], LAB_ITEMS, copies=LAB_FILLER)
    rounds = max(1, -(-rows // frames["icu/chartevents"].height))
    with ExitStack() as stack:
        for name, frame in frames.items():
            file = folder / f"{name}.csv.gz"
            file.parent.mkdir(exist_ok=True)
            stream = stack.enter_context(gzip.open(file, "wb", compresslevel=6))
            stream.write((",".join(frame.columns) + "\n").encode())
            for piece in _rounds(frame, rounds if name != "hosp/d_icd_diagnoses" else 1):
                stream.write(piece)
            stream.close()
    return rounds * frames["icu/chartevents"].height


def _read(file: Path) -> pl.DataFrame:
    frame = pl.read_csv(file, infer_schema=False)
    return frame.with_columns(pl.col(name).cast(pl.Int64) for name in KIND if name in frame.columns)


def _diluted(frame: pl.DataFrame, items: tuple[int, ...], *, copies: int) -> pl.DataFrame:
    """Each row followed by `copies` rows of other items with a number."""
    random = np.random.default_rng(0)
    count = frame.height * copies
    repeated = pl.concat([frame] * copies).with_columns(
        pl.Series("itemid", random.choice(items, count).astype(str)),
        pl.Series("value", random.integers(1, 500, count).astype(str)).alias("value"),
    )
    repeated = repeated.with_columns(pl.col("value").alias("valuenum"))
    place = pl.concat([pl.int_range(frame.height, eager=True)] * (copies + 1))
    return pl.concat([frame, repeated]).with_columns(place.alias("place")).sort("place").drop("place")


def _rounds(frame: pl.DataFrame, rounds: int) -> Iterator[bytes]:
    shift = CHUNK_ROOM * STRIDE
    for number in range(rounds):
        moved = [
            (kind + (pl.col(name) - kind + (number * shift) % SPAN) % SPAN).alias(name)
            for name, kind in KIND.items()
            if name in frame.columns
        ]
        yield frame.with_columns(moved).write_csv(include_header=False).encode()


def main(rows: int, folder: str | None) -> None:
    """Say how long the input takes to make and how large it is; thrown away unless a folder is named."""
    with tempfile.TemporaryDirectory() as aside:
        raw = Path(folder or aside) / f"raw-{rows}"
        started = time.perf_counter()
        count = write_raw(raw, rows)
        size = sum(file.stat().st_size for file in raw.rglob("*.gz")) / 2**20
        print(f"{count:,} rows of chartevents in {time.perf_counter() - started:.0f} s, {size:.0f} MiB of .csv.gz")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, sys.argv[2] if len(sys.argv) > 2 else None)
