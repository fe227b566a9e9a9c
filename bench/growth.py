"""How seconds, CPU seconds and memory of the extraction grow with the rows: once, ten and a hundred times as many.

Each size in a process of its own: raw .csv.gz to staged tables, then to the mart. The last lines are the exponent
of time (log of the ratio of times over log of the ratio of rows) and the growth of peak memory.

Run: python bench/growth.py [ROWS OF CHARTEVENTS AT 1x] [SIZES, 3 = 1x, 10x, 100x] [FOLDER]
The default ends at thirty million rows; 1000000 3 ends at a hundred million.
"""

import math
import sys
import tempfile
from pathlib import Path

from extract import stage, tables
from measure import main_step, measure
from raw import write_raw


def extract(raw: str, out: str) -> dict[str, int]:
    """Rows of the mapped items and of the mart, and what was left behind in hidden folders."""
    found = {"staged": stage(raw, out), "events": tables(raw, out)}
    return found | {"left_behind": sum(1 for _ in Path(out).rglob(".*"))}


def main(rows: int, sizes: int, folder: str | None) -> None:
    """Print the table."""
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    print("     rows of chartevents      wall       CPU     peak MiB      staged      events  left behind")
    costs, counts = [], []
    with tempfile.TemporaryDirectory(dir=folder) as work:
        for place in range(sizes):
            raw, out = Path(work) / f"raw-{place}", Path(work) / f"out-{place}"
            count = write_raw(raw, rows * 10**place)
            out.mkdir()
            cost = measure(__file__, "extract", raw, out)
            found = cost.found
            print(
                f"{count:24,} {cost.wall:8.1f}s {cost.cpu:8.1f}s {cost.peak_mib:12,.0f} "
                f"{found['staged']:11,} {found['events']:11,} {found['left_behind']:12}",
                flush=True,
            )
            costs.append(cost)
            counts.append(count)
    for one, ten, before, after in zip(costs, costs[1:], counts, counts[1:], strict=False):
        more = math.log(after / before)
        print(
            f"{before:,} to {after:,} rows: exponent of time {math.log(ten.wall / one.wall) / more:.2f}, of CPU "
            f"{math.log(ten.cpu / one.cpu) / more:.2f}, peak memory x {ten.peak_mib / one.peak_mib:.2f}"
        )


if __name__ == "__main__" and not main_step({"extract": extract}):
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000, int(sys.argv[2]) if len(sys.argv) > 2 else 3,
         sys.argv[3] if len(sys.argv) > 3 else None)  # fmt: skip
