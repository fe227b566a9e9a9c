"""Cost of the made-up tree: seconds and peak memory at three sizes, each in a process of its own.

Run: .venv/bin/python bench/synth.py [SUBJECTS]. The last line is the growth of peak memory over a fourfold tree.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medpatch.synthetic.write import write_tree


def measure(subjects: int) -> None:
    """Write one tree and print subjects, seconds, peak MiB, MiB on disk."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tree"
        began = time.perf_counter()
        write_tree(out, subjects=subjects, seed=1)
        seconds = time.perf_counter() - began
        disk = sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{subjects} {seconds:.1f} {peak:.0f} {disk:.0f}")


def main(subjects: int) -> None:
    """Three sizes, side by side."""
    print("subjects  seconds  peak MiB  disk MiB")
    peaks = []
    for size in (subjects, 2 * subjects, 4 * subjects):
        command = [sys.executable, __file__, "--measure", str(size)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        print(f"{out[0]:>8}  {out[1]:>7}  {out[2]:>8}  {out[3]:>8}")
        peaks.append(float(out[2]))
    print(f"peak memory at 4x the subjects / at 1x: {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--measure":
        measure(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
