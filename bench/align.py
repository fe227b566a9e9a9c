"""Stays per second from events to tensors: whole chunks at once, beside a loop over stays and events.

Run: python bench/align.py [stays]
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil
from warehouse import WINDOW_HOURS, make_events, write_warehouse

from medpatch.align.channel import ChannelLayout, read_channels
from medpatch.align.ehr import bin_events, encode_events, value_columns
from medpatch.align.scaler import Scaler, published_scaler
from medpatch.align.shard import write_shards
from medpatch.align.source import CHUNK_STAYS
from medpatch.config.modality import Scaling
from medpatch.config.name import Modality
from medpatch.config.preset import preset

LOOP_STAYS = 200


def loop_over_events(events: pl.DataFrame, layout: ChannelLayout, scaler: Scaler) -> np.ndarray:
    """(n, 48, 59): the same tensors the way the published Discretizer makes them, one stay and event at a time."""
    steps = int(WINDOW_HOURS)
    grids = []
    for _, stay in events.group_by("stay_id", maintain_order=True):
        cells: list[list[float | str | None]] = [[None] * len(layout.channels) for _ in range(steps)]
        for row in stay.iter_rows(named=True):
            step = max(int(row["hours_after_intime"] - 1e-6), 0)
            number = layout.index[row["variable"]]
            is_text = layout.channels[number].is_categorical
            cells[step][number] = row["value_text"] if is_text else row["value"]
        grid = np.zeros((steps, 59), dtype=np.float32)
        for number, channel in enumerate(layout.channels):
            answers = list(channel.answers)
            last = answers[int(channel.normal)] if answers else channel.normal
            for step in range(steps):
                last = last if cells[step][number] is None else cells[step][number]
                if answers:
                    grid[step, channel.first_column + answers.index(str(last))] = 1.0
                else:
                    place = scaler.names.index(channel.name)
                    grid[step, channel.first_column] = (last - scaler.mean[place]) / scaler.std[place]
        grids.append(grid)
    return np.stack(grids)


def chunkwise(events: pl.DataFrame, layout: ChannelLayout, scaler: Scaler) -> np.ndarray:
    """(n, 48, 59), the shipped way."""
    stay_id = events["stay_id"].unique().sort().to_numpy()
    end_hours = np.full(len(stay_id), WINDOW_HOURS)
    coded = encode_events(events, layout)
    grid = bin_events(coded, stay_id, end_hours=end_hours, layout=layout, timestep_hours=1.0)
    return value_columns(grid, layout, scaler=scaler).reshape(len(stay_id), -1, 59)


def main(stays: int) -> None:
    """Print the figures."""
    layout = read_channels()
    scaler = published_scaler(layout.numeric_names)
    events = make_events(stays, layout)
    per_stay = events.height // stays

    few = events.head(LOOP_STAYS * per_stay)
    started = time.perf_counter()
    by_loop = loop_over_events(few, layout, scaler)
    loop_rate = LOOP_STAYS / (time.perf_counter() - started)
    difference = np.abs(by_loop - chunkwise(few, layout, scaler)).max()

    started = time.perf_counter()
    for first in range(0, stays, CHUNK_STAYS):
        chunkwise(events.slice(first * per_stay, CHUNK_STAYS * per_stay), layout, scaler)
    chunk_rate = stays / (time.perf_counter() - started)

    full = preset("in_hospital_mortality")
    print(f"{stays} stays of 48 bins, {per_stay} events each")
    print(f"loop over events     {loop_rate:10.0f} stays/s ({LOOP_STAYS} stays)")
    print(f"chunk at once        {chunk_rate:10.0f} stays/s, largest difference {difference:.1e}")
    with tempfile.TemporaryDirectory() as folder:
        write_warehouse(Path(folder) / "mart", events)
        del events
        for scaling in Scaling:
            modality = full.modality.model_copy(update={"modalities": (Modality.EHR,), "scaling": scaling})
            config = full.model_copy(update={"modality": modality})
            started, before = time.perf_counter(), time.process_time()
            write_shards(Path(folder) / "mart", None, config=config, out_dir=Path(folder) / scaling, inputs="")
            rate, per_cpu = stays / (time.perf_counter() - started), stays / (time.process_time() - before)
            print(f"Parquet to Parquet   {rate:10.0f} stays/s, {per_cpu:.0f} per CPU second, scaling {scaling}")
    print(f"resident at the end  {psutil.Process().memory_info().rss / 2**20:10.0f} MiB")
    print(f"ratio                {chunk_rate / loop_rate:10.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
