"""How much disk the full data need: bytes per row, stay, image and token of a made-up tree times the published counts.

The tree goes through extraction and alignment of the full-size phenotyping preset (384-pixel images, chunks of 512
tokens; the tokenizer is one that needs no download). Encoders are not run: what they leave is tokens x width x bytes.
Made-up notes repeat themselves, so the bytes of text are too small; the line of a real release is the larger one.

Run: python bench/disk.py [SUBJECTS, or the work folder of an alignment that is there]
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from medpatch.config.preset import phenotyping

CHART_ROWS, LAB_ROWS, RADIOLOGY, DISCHARGE = 432_997_491, 158_374_764, 2_321_355, 331_794
"""Rows of MIMIC-IV 3.1 and of MIMIC-IV-Note 2.2, as published."""
STAYS, WITH_CXR, WITH_RR, WITH_DN = 59_344, 10_804, 53_576, 55_552
"""Stays of the published phenotyping cohort, all splits, and those that have each modality."""
CXR_TOKENS, CXR_WIDTH, NOTE_WIDTH = 577, 384, 768
"""Of ViT-S/16 at 384 pixels, and the width of BERT-base."""
HALF = 2
"""Bytes of a number of the caches (float16)."""
FULL = (
    "--preset",
    "phenotyping",
    "--set",
    "modality.note_tokenizer=tiny",
    "--set",
    "modality.tiny_vocabulary_size=30000",
)


@dataclass(frozen=True)
class Line:
    """One product: `each` bytes times `count`."""

    name: str
    unit: str
    each: float
    count: float

    @property
    def gb(self) -> float:
        """10^9 bytes."""
        return self.each * self.count / 1e9


def size(place: Path) -> int:
    """Bytes of a file, or of every file below a folder."""
    return sum(f.stat().st_size for f in ([place] if place.is_file() else place.rglob("*")) if f.is_file())


def column_bytes(shards: Iterable[Path]) -> dict[str, int]:
    """Compressed bytes of each column over all shards."""
    found: dict[str, int] = {}
    for file in shards:
        metadata = pq.read_metadata(file)
        for group in range(metadata.num_row_groups):
            for place in range(metadata.num_columns):
                column = metadata.row_group(group).column(place)
                name = column.path_in_schema.split(".")[0]
                found[name] = found.get(name, 0) + column.total_compressed_size
    return found


def lines(work: Path) -> Iterator[Line]:
    """Every product."""
    staging, data = next(work.glob("staging-*")), next(work.glob("data-*"))
    raw_rows = dict(pl.read_parquet(staging / "stg_row_count.parquet").select("source", "rows_in").iter_rows())
    full = {"chartevents": CHART_ROWS, "labevents": LAB_ROWS, "radiology": RADIOLOGY, "discharge": DISCHARGE}
    for table, count in full.items():
        yield Line(f"staged {table}", "raw row", size(staging / f"stg_{table}") / raw_rows[table], count)
    stays = pl.read_parquet(data / "1_warehouse" / "stay_index.parquet").height
    yield Line("tables of one cohort", "stay", size(data / "1_warehouse") / stays, STAYS)
    manifest = pl.read_parquet(data / "2_tensor" / "manifest.parquet")
    columns = column_bytes((data / "2_tensor").glob("*-*.parquet"))
    hours = manifest["ehr_steps"].sum() / stays
    ehr = (columns["ehr"] + columns["ehr_observed"]) / manifest["ehr_steps"].sum()
    yield Line("tensors: EHR", f"hour, {hours:.0f} h per stay", ehr, hours * STAYS)
    yield Line("tensors: image", "image", columns["cxr"] / manifest["has_cxr"].sum(), WITH_CXR)
    tokens = {}
    for name, count in (("rr", WITH_RR), ("dn", WITH_DN)):
        tokens[name] = manifest[f"{name}_tokens"].sum() / manifest[f"has_{name}"].sum()
        each = columns[name] / manifest[f"{name}_tokens"].sum()
        yield Line(f"tensors: {name}", f"token, {tokens[name]:.0f} per stay", each, tokens[name] * count)
    config = phenotyping()
    kept = [
        ("EHR", config.model.encoder.ehr_width, hours, STAYS),
        ("image", CXR_WIDTH, CXR_TOKENS, WITH_CXR),
        ("rr", NOTE_WIDTH, tokens["rr"], WITH_RR),
        ("dn", NOTE_WIDTH, tokens["dn"], WITH_DN),
    ]
    for name, width, each, count in kept:
        yield Line(f"features: {name}", f"token of {width} float16, {each:.0f} per stay", HALF * width, each * count)
    brief = sum(HALF * width * min(each, config.train.rival_tokens) * count for _, width, each, count in kept)
    yield Line("tokens that rivals read", f"stay, {config.train.rival_tokens} of a modality", brief / STAYS, STAYS)
    groups = 2 * len(config.labels)
    pools = sum(HALF * width * groups * count for _, width, _, count in kept)
    yield Line("pools", f"stay, {groups} per modality", pools / STAYS, STAYS)


def make(subjects: int, folder: Path) -> Path:
    """The work folder of an alignment of so many made-up subjects."""
    cli = [sys.executable, "-m", "flows.cli"]
    raw, work = str(folder / "raw"), str(folder / "work")
    for line in (
        ["synth", raw, "--subjects", str(subjects), "--seed", "7"],
        ["align", "--raw-dir", raw, "--work-dir", work, *FULL],
    ):
        subprocess.run([*cli, *line], check=True, capture_output=True)
    return Path(work)


def show(work: Path) -> None:
    """Print the table."""
    print(f"{'':22}{'bytes':>12}  per{'':35}{'times':>15}{'GB':>8}")
    for line in lines(work):
        print(f"{line.name:22}{line.each:12,.2f}  {line.unit:38}{line.count:15,.0f}{line.gb:8.1f}")


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else "2000"
    if given.isdigit():
        with tempfile.TemporaryDirectory() as place:
            show(make(int(given), Path(place)))
    else:
        show(Path(given))
